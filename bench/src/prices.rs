//! What AWS charges: on demand, in us-east-1, in dollars, without free tiers and discounts for volume.
//!
//! As of 2026-11-26. AWS's pages load their numbers from elsewhere and cannot be quoted; each price names the page where it
//! stands, and where it was read. Three could be read nowhere and are known from before; they say so.

/// Requests to standard queues, per million; each begun 64 KiB of payload is one. <https://aws.amazon.com/sqs/pricing/>,
/// read at <https://cloudburn.io/blog/amazon-sqs-pricing> (March 2026).
pub(crate) const SQS_MILLION: f64 = 0.40;
/// What fair queues cost on top, per million requests. Read in the same two places, neither of which says whether that is
/// every request for a message with a group or only the one that sends it; here it is sending, receiving and deleting.
pub(crate) const SQS_FAIR_MILLION: f64 = 0.10;

/// Invocations, per million. <https://aws.amazon.com/lambda/pricing/>, read at
/// <https://cloudchipr.com/blog/aws-lambda-pricing>.
pub(crate) const LAMBDA_MILLION: f64 = 0.20;
/// A GB-second on arm64; a duration counts in begun milliseconds. Read in the same two places.
pub(crate) const LAMBDA_GB_SECOND: f64 = 0.000_013_333_4;

/// Read request units, per million: 4 KB, consistently read. <https://aws.amazon.com/dynamodb/pricing/on-demand/>, read at
/// <https://airbyte.com/data-engineering-resources/dynamodb-pricing> (July 2025).
pub(crate) const DYNAMODB_READ_MILLION: f64 = 0.125;
/// Write request units, per million: 1 KB. Read in the same two places.
pub(crate) const DYNAMODB_WRITE_MILLION: f64 = 0.625;
/// Storage of standard tables, per GB and month. <https://aws.amazon.com/dynamodb/pricing/on-demand/>; known from before.
pub(crate) const DYNAMODB_GB_MONTH: f64 = 0.25;
/// Continuous backups for recovery to a point in time, per GB of table and month; known from before.
pub(crate) const DYNAMODB_BACKUP_GB_MONTH: f64 = 0.20;

/// Logs of Lambda functions that are taken in, per GB. <https://aws.amazon.com/cloudwatch/pricing/>, read at
/// <https://www.duckbillgroup.com/?p=9080> and <https://c3x.dev/blog/cloudwatch-logs-cost-optimization> (June 2026).
pub(crate) const LOGS_GB: f64 = 0.50;
/// Logs that are kept, per GB of compressed data and month. Read in the last of these places.
pub(crate) const LOGS_GB_MONTH: f64 = 0.03;
/// How much of a log is left after compression: what AWS's calculator reckons with, read at
/// <https://dev.classmethod.jp/articles/compare-archive-cost-cloudwatchlogs-s3/>.
pub(crate) const LOGS_COMPRESSION: f64 = 0.15;
/// What is added to each line; known from before.
pub(crate) const LOG_LINE_BYTES: u64 = 26;
