// Manages API keys of nano-webhooks: sends one request, and prints the data of the answer.
//
//     MANAGE_KEYS_FUNCTION=arn:aws:lambda:… node node.js '{"action": "list", "account_id": "acct_1"}'

const { LambdaClient, InvokeCommand } = require("@aws-sdk/client-lambda");

const lambda = new LambdaClient();

async function manageKeys(request) {
  const command = new InvokeCommand({
    FunctionName: process.env.MANAGE_KEYS_FUNCTION,
    Payload: JSON.stringify(request),
  });
  const answer = await lambda.send(command);
  const payload = JSON.parse(Buffer.from(answer.Payload).toString());
  // The function itself broke off, for example because its time was over.
  if (answer.FunctionError) throw new Error(`manage-keys failed: ${payload.errorMessage}`);
  if (!payload.success) throw new Error(`${payload.error.code}: ${payload.error.message}`);
  return payload.data;
}

manageKeys(JSON.parse(process.argv[2])).then(
  (data) => console.log(JSON.stringify(data)),
  (error) => {
    console.error(error.message);
    process.exitCode = 1;
  },
);
