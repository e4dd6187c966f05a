// An app with one stack: RELEASE is the folder of a release. `npx cdk deploy --app "node app.mts"`, with Node 22.18 or later,
// which runs TypeScript; compile it for an older one, as the test of this repository does.
import { App, CfnOutput, Stack } from "aws-cdk-lib";
import { Role, ServicePrincipal } from "aws-cdk-lib/aws-iam";
import { NanoWebhooks } from "./nano-webhooks.mts";

const stack = new Stack(new App(), "nano-webhooks");
const webhooks = new NanoWebhooks(stack, "NanoWebhooks", {
  release: process.env["RELEASE"] ?? "release",
  parameters: { LogRetentionDays: "90", HistoryRetentionDays: "30" },
});
// A role of your job pipeline.
const pipeline = new Role(stack, "Pipeline", { assumedBy: new ServicePrincipal("ecs-tasks.amazonaws.com") });
webhooks.completions.grantSendMessages(pipeline);
new CfnOutput(stack, "WebhooksApi", { value: webhooks.apiUrl });
