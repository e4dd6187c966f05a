//! Checks that the endpoint answers as DynamoDB's documentation says, and counts as its pricing page says.

use serde_json::{Value, json};

use super::*;

fn dynamodb() -> DynamoDb {
    let keys = |hash: &str, range: &str| Keys { hash: hash.into(), range: Some(range.into()) };
    let index = Index::new(keys("listed_as", "id"));
    let table = Table::new(keys("webhook", "id"), [("by-state".to_owned(), index)].into(), false);
    DynamoDb { tables: [("t".to_owned(), table)].into(), ..DynamoDb::default() }
}

fn call(dynamodb: &mut DynamoDb, operation: &str, request: &Value) -> (u16, Value) {
    let (status, body) = dynamodb.call(operation, request.to_string().as_bytes());
    (status, serde_json::from_str(&body).unwrap())
}

/// Inserts an item, which is in the index unless its state is `delivered`.
fn insert(dynamodb: &mut DynamoDb, id: &str, state: &str, body_bytes: usize) {
    let mut item = json!({
        "webhook": {"S": "a#1"}, "id": {"S": id}, "state": {"S": state}, "version": {"N": "1"},
        "body": {"S": "x".repeat(body_bytes)},
    });
    if state != "delivered" {
        item["listed_as"] = json!({"S": format!("a#1#{state}")});
    }
    let (status, answer) = call(dynamodb, "BatchExecuteStatement", &json!({"Statements": [insertion(&item)]}));
    assert_eq!((status, &answer["Responses"][0]["Error"]), (200, &Value::Null), "{answer}");
}

fn insertion(item: &Value) -> Value {
    let item = item.as_object().unwrap();
    let names: Vec<_> = item.keys().map(|name| format!("'{name}': ?")).collect();
    let parameters: Vec<_> = item.values().collect();
    json!({"Statement": format!("INSERT INTO \"t\" VALUE {{{}}}", names.join(", ")), "Parameters": parameters})
}

fn query(dynamodb: &mut DynamoDb, more: &Value) -> Value {
    let mut request = json!({
        "TableName": "t", "KeyConditionExpression": "webhook = :name",
        "ExpressionAttributeValues": {":name": {"S": "a#1"}}, "ScanIndexForward": false,
    });
    request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let (status, answer) = call(dynamodb, "Query", &request);
    assert_eq!(status, 200, "{answer}");
    answer
}

fn ids(answer: &Value) -> Vec<&str> {
    answer["Items"].as_array().unwrap().iter().map(|item| item["id"]["S"].as_str().unwrap()).collect()
}

#[test]
fn a_write_costs_a_unit_for_each_begun_kib_and_one_more_for_the_index() {
    let mut dynamodb = dynamodb();
    for (body_bytes, state, units) in
        [(100, "delivered", 1), (1024, "delivered", 2), (100, "failed", 1 + 1), (3000, "failed", 3 + 1)]
    {
        dynamodb.forget_usage();
        let id = format!("{state}-{body_bytes}");
        insert(&mut dynamodb, &id, state, body_bytes);
        assert_eq!(dynamodb.usage().write_units, units, "{id}");
    }
}

#[test]
fn an_entry_of_an_index_costs_when_it_comes_when_it_goes_and_when_it_moves() {
    let mut dynamodb = dynamodb();
    insert(&mut dynamodb, "1", "delivered", 10);
    let key = json!({"webhook": {"S": "a#1"}, "id": {"S": "1"}});
    for (change, units) in [
        ("SET listed_as = :one", 1 + 1),
        ("SET version = :two", 1),
        ("SET listed_as = :two", 1 + 2),
        ("REMOVE listed_as", 1 + 1),
    ] {
        dynamodb.forget_usage();
        let values = json!({":one": {"S": "a#1#failed"}, ":two": {"S": "a#1#held"}});
        let request = json!({
            "TableName": "t", "Key": key, "UpdateExpression": change, "ExpressionAttributeValues": values,
        });
        assert_eq!(call(&mut dynamodb, "UpdateItem", &request).0, 200);
        assert_eq!(dynamodb.usage().write_units, units, "{change}");
    }
}

#[test]
fn a_refused_write_costs_what_it_would_have_and_changes_nothing() {
    let mut dynamodb = dynamodb();
    insert(&mut dynamodb, "1", "delivered", 10);
    let request = json!({
        "TableName": "t", "Key": {"webhook": {"S": "a#1"}, "id": {"S": "1"}},
        "UpdateExpression": "SET #state = :state", "ConditionExpression": "attribute_not_exists(version)",
        "ExpressionAttributeNames": {"#state": "state"}, "ExpressionAttributeValues": {":state": {"S": "failed"}},
    });
    let (status, answer) = call(&mut dynamodb, "UpdateItem", &request);
    assert_eq!(status, 400);
    assert!(answer["__type"].as_str().unwrap().ends_with("#ConditionalCheckFailedException"), "{answer}");
    assert_eq!(dynamodb.usage().write_units, 2);
    assert_eq!(query(&mut dynamodb, &json!({}))["Items"][0]["state"]["S"], "delivered");
    assert!(dynamodb.refused.is_empty(), "it is an answer, not a mistake");
}

#[test]
fn a_read_costs_half_where_it_need_not_be_consistent() {
    let mut dynamodb = dynamodb();
    insert(&mut dynamodb, "1", "delivered", 5000);
    let key = json!({"webhook": {"S": "a#1"}, "id": {"S": "1"}});
    for (consistent, halves) in [(false, 2), (true, 4)] {
        dynamodb.forget_usage();
        call(&mut dynamodb, "GetItem", &json!({"TableName": "t", "Key": key, "ConsistentRead": consistent}));
        assert_eq!(dynamodb.usage().half_read_units, halves);
    }
    dynamodb.forget_usage();
    let missing = json!({"webhook": {"S": "a#1"}, "id": {"S": "2"}});
    let asked = json!({"Keys": [key, missing], "ConsistentRead": true, "ProjectionExpression": "id"});
    let (_, answer) = call(&mut dynamodb, "BatchGetItem", &json!({"RequestItems": {"t": asked}}));
    assert_eq!(answer["Responses"]["t"], json!([{"id": {"S": "1"}}]));
    assert_eq!(dynamodb.usage().half_read_units, 6, "what is not there costs a unit, and what is left out costs too");
}

#[test]
fn a_page_ends_at_its_limit_and_says_that_there_is_more() {
    let mut dynamodb = dynamodb();
    for number in 1..=5 {
        insert(&mut dynamodb, &number.to_string(), if number % 2 == 0 { "failed" } else { "delivered" }, 10);
    }
    let first = query(&mut dynamodb, &json!({"Limit": 2}));
    assert_eq!(ids(&first), ["5", "4"]);
    assert_eq!(first["LastEvaluatedKey"]["id"]["S"], "4");
    let between = json!({
        "KeyConditionExpression": "webhook = :name AND id BETWEEN :from AND :until",
        "ExpressionAttributeValues": {":name": {"S": "a#1"}, ":from": {"S": "2"}, ":until": {"S": "4"}},
    });
    let between = query(&mut dynamodb, &between);
    assert_eq!(ids(&between), ["4", "3", "2"]);
    assert!(between.get("LastEvaluatedKey").is_none());
    let failed = json!({
        "IndexName": "by-state", "KeyConditionExpression": "listed_as = :name AND id <= :until",
        "ExpressionAttributeValues": {":name": {"S": "a#1#failed"}, ":until": {"S": "3"}},
        "ProjectionExpression": "id",
    });
    assert_eq!(query(&mut dynamodb, &failed)["Items"], json!([{"id": {"S": "2"}}]));
    let without_ends = json!({
        "KeyConditionExpression": "webhook = :name AND id < :until",
        "ExpressionAttributeValues": {":name": {"S": "a#1"}, ":until": {"S": "3"}},
    });
    assert_eq!(ids(&query(&mut dynamodb, &without_ends)), ["2", "1"]);
    let prefix = json!({
        "KeyConditionExpression": "webhook = :name AND begins_with(id, :id)",
        "ExpressionAttributeValues": {":name": {"S": "a#1"}, ":id": {"S": "4"}},
    });
    insert(&mut dynamodb, "4#2", "delivered", 10);
    assert_eq!(ids(&query(&mut dynamodb, &prefix)), ["4#2", "4"]);
}

#[test]
fn a_filter_costs_what_it_looks_at_and_a_limit_counts_that() {
    let mut dynamodb = dynamodb();
    for number in 1..=5 {
        insert(&mut dynamodb, &number.to_string(), if number == 1 { "failed" } else { "delivered" }, 3_000);
    }
    for (limit, found, halves) in [(4, vec![], 3), (5, vec!["1"], 4)] {
        dynamodb.forget_usage();
        let filter = json!({
            "FilterExpression": "#state = :state", "ExpressionAttributeNames": {"#state": "state"},
            "ExpressionAttributeValues": {":name": {"S": "a#1"}, ":state": {"S": "failed"}}, "Limit": limit,
        });
        let answer = query(&mut dynamodb, &filter);
        assert_eq!((ids(&answer), dynamodb.usage().half_read_units), (found, halves), "{answer}");
        assert!(answer.get("LastEvaluatedKey").is_some(), "{answer}");
    }
}

#[test]
fn statements_of_a_batch_are_answered_one_by_one_and_cost_what_their_items_do() {
    let mut dynamodb = dynamodb();
    let insert = |id: &str| insertion(&json!({"webhook": {"S": "a#1"}, "id": {"S": id}, "version": {"N": "1"}}));
    let update = |id: &str, version: &str| {
        let set = r#"UPDATE "t" SET "state" = ? SET "version" = ? REMOVE "attempts""#;
        let statement = format!(r#"{set} WHERE "webhook" = ? AND "id" = ? AND "version" = ?"#);
        json!({"Statement": statement, "Parameters": [
            {"S": "delivered"}, {"N": "2"}, {"S": "a#1"}, {"S": id}, {"N": version},
        ]})
    };
    let mut batch = |statements: Vec<Value>| {
        let (status, answer) = call(&mut dynamodb, "BatchExecuteStatement", &json!({"Statements": statements}));
        assert_eq!(status, 200, "{answer}");
        let answers = answer["Responses"].as_array().unwrap().clone();
        answers.iter().map(|answer| answer["Error"]["Code"].as_str().unwrap_or("done").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(batch(vec![insert("1"), insert("2"), insert("1")]), ["done", "done", "DuplicateItem"]);
    let codes = batch(vec![update("1", "1"), update("2", "7"), update("3", "1")]);
    assert_eq!(codes, ["done", "ConditionalCheckFailed", "ConditionalCheckFailed"]);
    assert_eq!(dynamodb.usage().write_units, 6);
    let answer = query(&mut dynamodb, &json!({}));
    assert_eq!(ids(&answer), ["2", "1"], "an UPDATE makes nothing");
    let first = &answer["Items"][1];
    assert_eq!((&first["version"]["N"], &first["state"]["S"]), (&json!("2"), &json!("delivered")));
}

#[test]
fn a_transaction_does_all_or_nothing_and_costs_double() {
    let mut dynamodb = dynamodb();
    let put = |id: &str| {
        json!({"Put": {
            "TableName": "t", "Item": {"webhook": {"S": "a#1"}, "id": {"S": id}},
            "ConditionExpression": "attribute_not_exists(id)",
        }})
    };
    let (status, _) = call(&mut dynamodb, "TransactWriteItems", &json!({"TransactItems": [put("1"), put("2")]}));
    assert_eq!((status, dynamodb.usage().write_units), (200, 4));
    let (status, answer) = call(&mut dynamodb, "TransactWriteItems", &json!({"TransactItems": [put("3"), put("2")]}));
    assert_eq!(status, 400);
    assert_eq!(answer["CancellationReasons"], json!([{"Code": "None"}, {"Code": "ConditionalCheckFailed"}]));
    assert_eq!(ids(&query(&mut dynamodb, &json!({}))), ["2", "1"]);
}

#[test]
fn what_is_not_known_is_refused_and_remembered() {
    let mut dynamodb = dynamodb();
    let key = json!({"webhook": {"S": "a"}, "id": {"S": "1"}});
    let statement = r#"UPDATE "t" SET "state" = 'delivered' WHERE "webhook" = ? AND "id" = ?"#;
    for (operation, request) in [
        ("Scan", json!({"TableName": "t"})),
        ("GetItem", json!({"TableName": "t", "Key": key, "ProjectionExpression": "id"})),
        ("UpdateItem", json!({"TableName": "t", "Key": key, "UpdateExpression": "SET a.b = c"})),
        (
            "BatchExecuteStatement",
            json!({"Statements": [{"Statement": statement, "Parameters": [{"S": "a"}, {"S": "1"}]}]}),
        ),
        (
            "BatchWriteItem",
            json!({"RequestItems": {"t": [{"PutRequest": {"Item": {
                "webhook": {"S": "a"}, "id": {"S": "1"}, "set": {"SS": ["a"]},
            }}}]}}),
        ),
    ] {
        assert_eq!(call(&mut dynamodb, operation, &request).0, 400, "{operation}");
    }
    assert_eq!(dynamodb.refused.len(), 5);
}
