// nano-webhooks as a construct: the packaged template of a release in a stack of yours. The files of the release are in
// a folder; CDK uploads the zips that the functions name. Copy this file into your app.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Token } from "aws-cdk-lib";
import { CfnInclude } from "aws-cdk-lib/cloudformation-include";
import { CfnFunction } from "aws-cdk-lib/aws-lambda";
import { CfnQueue, Queue, type IQueue } from "aws-cdk-lib/aws-sqs";
import { Asset } from "aws-cdk-lib/aws-s3-assets";
import { Construct } from "constructs";

export interface NanoWebhooksProps {
  /** The folder with the release's template.json and zips. */
  readonly release: string;
  /** The functions' architecture. */
  readonly architecture?: "arm64" | "x86_64";
  /** The template's parameters that you set: docs/deploying.md lists them. */
  readonly parameters?: Record<string, string>;
}

export class NanoWebhooks extends Construct {
  /** Where your jobs report finished tasks: `completions.grantSendMessages(role)`. */
  readonly completions: IQueue;
  /** The base of the API's URLs. */
  readonly apiUrl: string;

  constructor(scope: Construct, id: string, props: NanoWebhooksProps) {
    super(scope, id);
    const architecture = props.architecture ?? "arm64";
    const templateFile = join(props.release, "template.json");
    const included = new CfnInclude(this, "Template", {
      templateFile,
      // Names of tables and queues begin with the stack's name: one construct for each stack.
      preserveLogicalIds: true,
      // The functions' code comes from CDK's own bucket, below.
      parameters: { ...props.parameters, Architecture: architecture, CodeBucket: "assets", CodePrefix: "" },
    });
    const { Resources } = JSON.parse(readFileSync(templateFile, "utf8"));
    for (const [name, resource] of Object.entries<any>(Resources)) {
      if (resource.Type !== CfnFunction.CFN_RESOURCE_TYPE_NAME) continue;
      const zip = resource.Properties.Code.S3Key["Fn::Sub"].split("/").pop().replace("${Architecture}", architecture);
      const asset = new Asset(this, `${name}Zip`, { path: join(props.release, zip) });
      const code = included.getResource(name) as CfnFunction;
      code.code = { s3Bucket: asset.s3BucketName, s3Key: asset.s3ObjectKey };
    }
    const { attrArn } = included.getResource("CompletionsQueue") as CfnQueue;
    this.completions = Queue.fromQueueArn(this, "Completions", attrArn);
    this.apiUrl = Token.asString(included.getOutput("ApiUrl").value);
  }
}
