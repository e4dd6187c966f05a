<?php
// Receives webhooks with PHP and no packages. To start it: WEBHOOK_SECRET=whsec_... php -S 127.0.0.1:8080 php.php

// Returns why a request must be refused, or null. $body is the bytes as they arrived.
function refusal(string $secret, string $body): ?string
{
    $timestamp = $_SERVER['HTTP_X_NANO_TIMESTAMP'] ?? '';
    $expected = 'v1=' . hash_hmac('sha256', "$timestamp.$body", $secret);
    // While a secret is being rotated, the old and the new one sign different headers. One that matches is enough.
    $signers = ['HTTP_X_NANO_SIGNATURE', 'HTTP_X_NANO_SIGNATURE_NEXT', 'HTTP_X_NANO_SIGNATURE_PREVIOUS'];
    $given = implode(' ', array_map(fn ($name) => $_SERVER[$name] ?? '', $signers));
    foreach (explode(' ', $given) as $one) {
        if (hash_equals($expected, $one)) {
            $isRecent = ctype_digit($timestamp) && abs(time() - (int) $timestamp) <= 300;
            return $isRecent ? null : 'the timestamp is more than five minutes off';
        }
    }
    return 'the signature does not match';
}

// Whether this id is new. In production, use a table's unique key, written together with the event.
function isNew(string $id): bool
{
    return @fopen(sys_get_temp_dir() . '/webhook-' . hash('sha256', $id), 'x') !== false;
}

$secret = getenv('WEBHOOK_SECRET'); // the whole text, whsec_ included
if (!$secret) {
    http_response_code(500);
    exit('WEBHOOK_SECRET is not set');
}
$body = file_get_contents('php://input'); // not $_POST, which is for forms
$reason = refusal($secret, $body);
if ($reason !== null) {
    http_response_code(401);
    exit($reason);
}
if (isNew($_SERVER['HTTP_WEBHOOK_ID'] ?? '')) {
    $event = json_decode($body);
    error_log("$event->event $event->task_id"); // Put it on a queue here, then answer.
}
http_response_code(204);
