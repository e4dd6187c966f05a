//! Refuses unknown query parameters. Otherwise a misspelled filter would return everything, and the client would take
//! that for the filtered answer.

use lambda_http::{Request, RequestExt as _};

use crate::request::{Invalid, SHOWN_OF_A_NAME};

/// Fails if the query has a parameter that is not in `known`. The message lists the known ones.
pub(super) fn check(request: &Request, known: &[&str]) -> Result<(), Invalid> {
    let parameters = request.query_string_parameters_ref();
    let unknown = parameters
        .and_then(|parameters| parameters.iter().map(|(name, _)| name).filter(|name| !known.contains(name)).min());
    unknown.map_or(Ok(()), |name| Err(Invalid::field(name, refusal(name, known))))
}

fn refusal(name: &str, known: &[&str]) -> String {
    let name: String = name.chars().take(SHOWN_OF_A_NAME).collect();
    match known {
        [] => format!("the query has {name:?}; this route takes no query parameters"),
        [one] => format!("the query has {name:?}; the only query parameter here is {one}"),
        known => format!("the query has {name:?}; the query parameters here are {}", known.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    fn checked(query: &[&str], known: &[&str]) -> Option<String> {
        let parameters: HashMap<_, _> = query.iter().map(|name| ((*name).to_owned(), vec![String::new()])).collect();
        let request = Request::default().with_query_string_parameters(parameters);
        check(&request, known).err().map(|error| error.to_string())
    }

    #[test]
    fn an_unknown_parameter_is_refused_and_the_known_ones_are_named() {
        assert_eq!(checked(&[], &[]), None);
        assert_eq!(checked(&["limit", "status"], &["status", "limit"]), None);
        let cases: [(&[&str], &str); 3] = [
            (&[], "the query has \"statuss\"; this route takes no query parameters"),
            (&["hours"], "the query has \"statuss\"; the only query parameter here is hours"),
            (&["status", "limit"], "the query has \"statuss\"; the query parameters here are status, limit"),
        ];
        for (known, message) in cases {
            assert_eq!(checked(&["statuss"], known).unwrap(), message);
        }
    }

    #[test]
    fn of_several_the_first_in_the_alphabet_is_named_and_a_long_one_is_cut() {
        assert!(checked(&["b", "a", "c"], &["c"]).unwrap().starts_with("the query has \"a\""));
        assert!(checked(&[&"x".repeat(5000)], &[]).unwrap().len() < 200);
    }
}
