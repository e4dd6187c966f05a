//! What AWS charges: on demand, in us-east-1, in dollars, without free tiers and discounts for volume.
//!
//! Looked up on 2026-11-26, in copies of AWS's pages and in what others write of them, since AWS's own pages load their
//! numbers from elsewhere. Where a page said how units are counted, that is in the comment.

/// Requests to standard queues, per million; each begun 64 KiB of payload is one.
/// <https://aws.amazon.com/sqs/pricing/>
pub(crate) const SQS_MILLION: f64 = 0.40;
/// What fair queues cost on top, per million requests for messages with a group. The page does not say which requests
/// these are; here it is sending, receiving and deleting. <https://aws.amazon.com/sqs/pricing/>
pub(crate) const SQS_FAIR_MILLION: f64 = 0.10;

/// Invocations, per million. <https://aws.amazon.com/lambda/pricing/>
pub(crate) const LAMBDA_MILLION: f64 = 0.20;
/// A GB-second on arm64; a duration counts in begun milliseconds. <https://aws.amazon.com/lambda/pricing/>
pub(crate) const LAMBDA_GB_SECOND: f64 = 0.000_013_333_4;

/// Read request units, per million: 4 KB, consistently read. <https://aws.amazon.com/dynamodb/pricing/on-demand/>
pub(crate) const DYNAMODB_READ_MILLION: f64 = 0.125;
/// Write request units, per million: 1 KB. <https://aws.amazon.com/dynamodb/pricing/on-demand/>
pub(crate) const DYNAMODB_WRITE_MILLION: f64 = 0.625;
/// Storage of standard tables, per GB and month. <https://aws.amazon.com/dynamodb/pricing/on-demand/>
pub(crate) const DYNAMODB_GB_MONTH: f64 = 0.25;
/// Continuous backups for recovery to a point in time, per GB of table and month.
/// <https://aws.amazon.com/dynamodb/pricing/on-demand/>
pub(crate) const DYNAMODB_BACKUP_GB_MONTH: f64 = 0.20;

/// Logs that are taken in, per GB; each line counts 26 bytes more than it has.
/// <https://aws.amazon.com/cloudwatch/pricing/>
pub(crate) const LOGS_GB: f64 = 0.50;
/// Logs that are kept, per GB of compressed data and month. <https://aws.amazon.com/cloudwatch/pricing/>
pub(crate) const LOGS_GB_MONTH: f64 = 0.03;
/// How much of a log is left after compression: what AWS's calculator reckons with.
pub(crate) const LOGS_COMPRESSION: f64 = 0.15;
/// What is added to each line.
pub(crate) const LOG_LINE_BYTES: u64 = 26;
