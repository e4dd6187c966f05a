//! Makes the page `/docs` from `openapi.yaml`, so that the page always agrees with the description. It is plain HTML
//! without a script, so that it can be read wherever the service can be reached.

use std::fmt::Write as _;

use saphyr::{LoadableYamlNode as _, Yaml};

use crate::text::{escaped, html, inline_html, json};

const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

/// Returns the page: `frame` with `{content}` replaced. The API's title is the console's name, a placeholder.
pub(crate) fn page(openapi: &str, frame: &str) -> String {
    let documents = Yaml::load_from_str(openapi).unwrap();
    let content = Docs { api: &documents[0] }.content();
    frame.replace("{content}", &content)
}

/// The whole description, in which references are looked up.
struct Docs<'a> {
    api: &'a Yaml<'a>,
}

impl<'a> Docs<'a> {
    fn content(&self) -> String {
        let mut page = String::new();
        let info = &self.api["info"];
        let contents: String = self.tags().map(|tag| self.links(tag)).collect();
        write!(
            page,
            "<section class=\"card prose\"><h1>%NAME%</h1><p>{}</p>{}</section>\n\
             <nav class=\"card contents\" aria-labelledby=\"contents\"><h2 id=\"contents\">Contents</h2>{contents}\
             <div><h3>More</h3><ul><li><a href=\"#schemas\">Schemas</a></li></ul></div></nav>\n",
            escaped(text(info, "summary")),
            html(text(info, "description")),
        )
        .unwrap();
        for tag in self.tags() {
            let name = text(tag, "name");
            write!(page, "<h2>{}</h2>\n<p class=\"hint\">{}</p>\n", escaped(name), escaped(text(tag, "description")))
                .unwrap();
            for operation in self.operations(name) {
                page += &self.operation(&operation);
            }
        }
        page += "<h2 id=\"schemas\">Schemas</h2>\n";
        for (name, schema) in entries(&self.api["components"]["schemas"]) {
            let rows = fields(schema);
            writeln!(
                page,
                "<section class=\"card prose\"><h3 id=\"schema-{name}\">{name}</h3>{}<p>{}</p>{rows}</section>",
                html(text(schema, "description")),
                type_of(schema),
            )
            .unwrap();
        }
        page
    }

    fn tags(&self) -> impl Iterator<Item = &'a Yaml<'a>> + use<'a> {
        items(&self.api["tags"])
    }

    /// The operations of a tag, as a list of links.
    fn links(&self, tag: &Yaml) -> String {
        let name = text(tag, "name");
        let links = self.operations(name).into_iter().map(|operation| {
            format!("<li><a href=\"#{}\">{}</a></li>", operation.id(), escaped(text(operation.node, "summary")))
        });
        format!("<div><h3>{}</h3><ul>{}</ul></div>", escaped(name), links.collect::<String>())
    }

    /// The operations with this tag: those of paths first, then those of webhooks.
    fn operations(&self, tag: &str) -> Vec<Operation<'a>> {
        let of = |group: &str| entries(get(self.api, group).unwrap());
        let paths = of("paths").map(|(path, item)| (path, item, false));
        let webhooks = of("webhooks").map(|(event, item)| (event, item, true));
        let all = paths.chain(webhooks).flat_map(|(path, item, is_webhook)| {
            let methods = METHODS.iter().filter_map(move |method| Some((*method, get(item, method)?)));
            methods.map(move |(method, node)| Operation { path, method, item, node, is_webhook })
        });
        all.filter(|operation| items(&operation.node["tags"]).any(|own| own.as_str() == Some(tag))).collect()
    }

    fn operation(&self, operation: &Operation<'a>) -> String {
        let node = operation.node;
        let line = if operation.is_webhook {
            format!("POST to your endpoint: {}", operation.path)
        } else {
            format!("{} {}", operation.method.to_uppercase(), operation.path)
        };
        let parameters = [operation.item, node].into_iter().filter_map(|node| get(node, "parameters")).flat_map(items);
        let parameters: Vec<_> = parameters.map(|parameter| self.resolved(parameter)).collect();
        let body = get(node, "requestBody").map_or_else(String::new, |body| {
            let optional = if get(body, "required").and_then(Yaml::as_bool) == Some(true) { "" } else { ", optional" };
            format!("<h4>Body{optional}</h4>{}", media(body))
        });
        let responses = entries(&node["responses"]).map(|(status, response)| reply(status, self.resolved(response)));
        format!(
            "<section class=\"card prose\"><h3 id=\"{}\">{}</h3><p><code class=\"route\">{}</code></p>{}{}{body}<h4>{}</h4>{}</section>\n",
            operation.id(),
            escaped(text(node, "summary")),
            escaped(&line),
            get(node, "description").and_then(Yaml::as_str).map_or_else(String::new, html),
            parameter_list(&parameters),
            if operation.is_webhook { "Your answer" } else { "Replies" },
            responses.collect::<String>(),
        )
    }

    /// The node that a `$ref` names, or the node itself if it is not a reference.
    fn resolved(&self, node: &'a Yaml<'a>) -> &'a Yaml<'a> {
        let Some(reference) = get(node, "$ref").and_then(Yaml::as_str) else { return node };
        let path = reference.strip_prefix("#/").unwrap().split('/');
        path.fold(self.api, |node, name| get(node, name).unwrap_or_else(|| panic!("{reference} names nothing")))
    }
}

/// One method of a path, or one event.
struct Operation<'a> {
    path: &'a str,
    method: &'static str,
    item: &'a Yaml<'a>,
    node: &'a Yaml<'a>,
    is_webhook: bool,
}

impl<'a> Operation<'a> {
    fn id(&self) -> &'a str {
        text(self.node, "operationId")
    }
}

fn parameter_list(parameters: &[&Yaml]) -> String {
    let rows = parameters.iter().map(|parameter| {
        let required = get(parameter, "required").and_then(Yaml::as_bool) == Some(true);
        let kind = format!("{}, {}", text(parameter, "in"), type_of(&parameter["schema"]));
        field(text(parameter, "name"), &kind, required, text(parameter, "description"))
    });
    let rows: String = rows.collect();
    if rows.is_empty() { rows } else { format!("<h4>Parameters</h4><dl>{rows}</dl>") }
}

fn reply(status: &str, response: &Yaml) -> String {
    let description = inline_html(text(response, "description"));
    // The page describes the format of errors once, at the top.
    let media = if status.starts_with('2') { media(response) } else { String::new() };
    format!("<div class=\"reply\"><p><strong>{}</strong> {description}</p>{media}</div>", escaped(status))
}

/// The JSON of a body or a reply: its fields and an example.
fn media(node: &Yaml) -> String {
    let Some(media) = get(node, "content").and_then(|content| get(content, "application/json")) else {
        return String::new();
    };
    let examples = get(media, "examples").into_iter().flat_map(entries).map(|(_, example)| &example["value"]);
    let examples = get(media, "example").into_iter().chain(examples);
    let examples = examples.map(|value| format!("<pre tabindex=\"0\">{}</pre>", escaped(&json(value, 0))));
    let examples = examples.collect::<Vec<_>>().concat();
    format!("{}{examples}", fields(&media["schema"]))
}

/// The fields of an object. If the schema is a reference, a link to the schema that it names.
fn fields(schema: &Yaml) -> String {
    if get(schema, "$ref").is_some() {
        return format!("<p>{}</p>", type_of(schema));
    }
    let Some(properties) = get(schema, "properties") else { return String::new() };
    let required = get(schema, "required");
    let rows = entries(properties).map(|(name, property)| {
        let is_required = required.is_some_and(|names| items(names).any(|own| own.as_str() == Some(name)));
        field(name, &type_of(property), is_required, text(property, "description"))
    });
    format!("<dl>{}</dl>", rows.collect::<String>())
}

/// The values that a schema allows, in a few words.
fn type_of(schema: &Yaml) -> String {
    if let Some(reference) = get(schema, "$ref").and_then(Yaml::as_str) {
        let name = reference.rsplit('/').next().unwrap();
        return format!("<a href=\"#schema-{name}\">{name}</a>");
    }
    let all_of = |values| items(values).map(|value| type_of(value)).collect::<Vec<_>>().join(" or ");
    let values = get(schema, "enum").into_iter().flat_map(items).chain(get(schema, "const"));
    let values: Vec<_> = values.map(|value| format!("<code>{}</code>", escaped(&json(value, 0)))).collect();
    let is_object = get(schema, "properties").is_some();
    if !values.is_empty() {
        values.join(" or ")
    } else if let Some(choices) = get(schema, "oneOf").or(get(schema, "anyOf").filter(|_| !is_object)) {
        all_of(choices)
    } else {
        match get(schema, "type") {
            Some(kind) if kind.as_str() == Some("array") => {
                format!(
                    "list of {}",
                    get(schema, "items").map_or_else(|| "anything".to_owned(), |items| type_of(items))
                )
            }
            Some(kind) => kind
                .as_str()
                .map_or_else(|| items(kind).filter_map(Yaml::as_str).collect::<Vec<_>>().join(" or "), str::to_owned),
            None => "any JSON".to_owned(),
        }
    }
}

fn field(name: &str, kind: &str, is_required: bool, description: &str) -> String {
    let required = if is_required { "" } else { ", optional" };
    format!(
        "<dt><code>{}</code> <span class=\"hint\">{kind}{required}</span></dt><dd>{}</dd>",
        escaped(name),
        html(description)
    )
}

fn get<'a>(node: &'a Yaml<'a>, name: &str) -> Option<&'a Yaml<'a>> {
    node.as_mapping_get(name)
}

/// A text, empty if there is none.
fn text<'a>(node: &'a Yaml<'a>, name: &str) -> &'a str {
    get(node, name).and_then(Yaml::as_str).unwrap_or_default()
}

fn items<'a>(node: &'a Yaml<'a>) -> impl Iterator<Item = &'a Yaml<'a>> + use<'a> {
    node.as_sequence().into_iter().flatten()
}

fn entries<'a>(node: &'a Yaml<'a>) -> impl Iterator<Item = (&'a str, &'a Yaml<'a>)> + use<'a> {
    node.as_mapping().into_iter().flatten().map(|(name, value)| (name.as_str().unwrap(), value))
}
