"""Makes MiniStack's CloudFormation create what AWS's creates from the same template.

Each is a property that MiniStack ignores or mistakes, or a rule that its HTTP without TLS could not meet. With these,
any template of this repository can be deployed as it is, with any client.
"""

import copy
import json


def read_like_aws():
    from ministack.services.cloudformation.provisioners import _RESOURCE_HANDLERS as handlers

    after(handlers["AWS::ApiGatewayV2::Api"], import_body)
    after(handlers["AWS::DynamoDB::Table"], set_expiry_and_recovery)
    before(handlers["AWS::Lambda::EventSourceMapping"], with_a_numeric_limit)
    before(handlers["AWS::SQS::QueuePolicy"], without_tls)


def after(handler, step):
    """Calls `step(physical id, properties)` when a resource was created or updated."""
    create, update = handler["create"], handler["update"]

    def create_and(logical_id, properties, *rest):
        made = create(logical_id, properties, *rest)
        step(made[0], properties)
        return made

    def update_and(physical_id, old, new, *rest, **named):
        made = update(physical_id, old, new, *rest, **named)
        step(made[0], new)
        return made

    handler.update(create=create_and, update=update_and)


def before(handler, change):
    """Passes the properties through `change` before a resource is created or updated."""
    create, update = handler["create"], handler["update"]
    handler.update(
        create=lambda logical_id, properties, *rest: create(logical_id, change(properties), *rest),
        update=lambda physical_id, old, new, *rest, **named: update(physical_id, old, change(new), *rest, **named),
    )


def import_body(api_id, properties):
    """Makes the routes of an OpenAPI body, which is what SAM makes of an HTTP API's events."""
    from ministack.services import apigateway

    if "Body" not in properties:
        return
    routes, integrations = apigateway._routes.setdefault(api_id, {}), apigateway._integrations.setdefault(api_id, {})
    routes.clear()
    integrations.clear()
    for path, methods in properties["Body"]["paths"].items():
        for method, operation in methods.items():
            any_method = method == "x-amazon-apigateway-any-method"
            key = "$default" if path == "/$default" else f"{'ANY' if any_method else method.upper()} {path}"
            integration = operation["x-amazon-apigateway-integration"]
            create(apigateway._create_integration, api_id, {
                "integrationType": "AWS_PROXY",
                "integrationUri": integration["uri"],
                "payloadFormatVersion": integration["payloadFormatVersion"],
            })
            made = next(reversed(integrations))
            create(apigateway._create_route, api_id, {"routeKey": key, "target": f"integrations/{made}"})


def create(action, api_id, data):
    status, _, body = action(api_id, data)
    if status >= 400:
        raise ValueError(f"the API's body: {body!r}")


def set_expiry_and_recovery(table, properties):
    from ministack.services import dynamodb

    if expiry := properties.get("TimeToLiveSpecification"):
        dynamodb._ttl_settings[table] = {
            "TimeToLiveStatus": "ENABLED" if as_bool(expiry["Enabled"]) else "DISABLED",
            "AttributeName": expiry["AttributeName"],
        }
    if recovery := properties.get("PointInTimeRecoverySpecification"):
        dynamodb._pitr_settings[table] = as_bool(recovery["PointInTimeRecoveryEnabled"])


def as_bool(value):
    return str(value).lower() == "true"


def with_a_numeric_limit(properties):
    """MiniStack compares the limit with a number, and a parameter is a string."""
    properties = copy.deepcopy(properties)
    if limit := properties.get("ScalingConfig", {}).get("MaximumConcurrency"):
        properties["ScalingConfig"]["MaximumConcurrency"] = int(limit)
    return properties


def without_tls(properties):
    """Leaves out that requests need TLS. MiniStack enforces the policies of queues, and has no TLS."""
    properties = copy.deepcopy(properties)
    statements = properties["PolicyDocument"]["Statement"]
    statements[:] = [it for it in statements if "aws:SecureTransport" not in json.dumps(it)]
    return properties
