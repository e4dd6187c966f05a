#!/bin/sh
# Reports finished tasks to nano-webhooks: reads one completion a line from standard input. Needs the AWS CLI and jq.
#
#     COMPLETIONS_QUEUE_URL=https://sqs.… sh aws-cli.sh < completions.jsonl
#
# Exits with 0 once SQS has taken every completion. Otherwise run it again with the same lines: the service recognises a
# repeated completion by its timestamp, and no customer gets its webhook twice.
set -eu

# The CLI itself retries a call that failed as a whole, or was throttled.
export AWS_RETRY_MODE=standard AWS_MAX_ATTEMPTS=5
rounds=8

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The timestamp is when the task ended, the same whenever this completion is sent: without it each repetition is a new
# event. As ASCII, because SQS refuses some characters that JSON allows.
jq --compact-output --ascii-output '
  if .timestamp then . else error("this completion has no timestamp: \(tojson)") end' > "$work/messages"

# One group for each account, so that one account's many completions do not delay those of the others. One file for
# each call, within SQS's limits for it: ten messages, 1 MiB.
jq --raw-input --slurp --compact-output '
  [splits("\n") | select(. != "") | { MessageBody: ., MessageGroupId: (fromjson | .account_id) }]
  | reduce .[] as $message ([[]];
      if (.[-1] | length) == 10 or (.[-1] + [$message] | map(.MessageBody | length) | add) > 1048576 and .[-1] != []
      then . + [[$message]] else .[-1] += [$message] end)
  | .[] | to_entries | select(. != []) | map({ Id: (.key | tostring) } + .value)
  ' "$work/messages" | split -l 1 -a 6 - "$work/batch."

send() {
  aws sqs send-message-batch --output json --queue-url "$COMPLETIONS_QUEUE_URL" --entries "file://$1" \
    ${AWS_ENDPOINT_URL:+--endpoint-url "$AWS_ENDPOINT_URL"} > "$work/reply"
}

for batch in "$work"/batch.*; do
  [ -e "$batch" ] || continue
  round=0
  while :; do
    send "$batch"
    # A call that succeeds can still have failed for some of its messages. Sending again does not help if the mistake is
    # ours.
    jq --raw-output '
      .Failed // [] | map(select(.SenderFault)) | .[] | "SQS refuses a completion: \(.Code): \(.Message)"
      ' "$work/reply" > "$work/refused"
    if [ -s "$work/refused" ]; then cat "$work/refused" >&2 && exit 1; fi
    jq --compact-output --slurpfile reply "$work/reply" '
      ($reply[0].Failed // [] | map(.Id)) as $failed | map(select(.Id as $id | $failed | index($id)))
      ' "$batch" > "$work/failed"
    [ "$(cat "$work/failed")" != "[]" ] || break
    mv "$work/failed" "$batch"
    round=$((round + 1))
    if [ "$round" -eq "$rounds" ]; then
      echo "SQS does not take some completions; run this again with the same lines" >&2
      exit 1
    fi
    sleep "$round"
  done
done
