//! AWS's prices: on demand, in us-east-1, in dollars, without free tiers and volume discounts.
//!
//! AWS's pages load their numbers from elsewhere and cannot be quoted, so each price names AWS's page and the page where
//! it was read. Some could not be read anywhere and are known from before; their comments say so.
//!
//! The operator's command and the instruments use these. No function does.

/// The day on which the prices were read.
pub const AS_OF: &str = "2026-11-26";
/// The region that they are of.
pub const REGION: &str = "us-east-1";

/// Requests to standard queues, per million; each begun 64 KiB of payload is one request.
/// <https://aws.amazon.com/sqs/pricing/>, read at <https://cloudburn.io/blog/amazon-sqs-pricing> (March 2026).
pub const SQS_MILLION: f64 = 0.40;
/// The additional price of fair queues, per million requests. From the same two pages. Neither says whether it
/// applies to every request for a message with a group or only to sending; here it applies to sending, receiving and
/// deleting.
pub const SQS_FAIR_MILLION: f64 = 0.10;

/// Invocations, per million. <https://aws.amazon.com/lambda/pricing/>, read at
/// <https://cloudchipr.com/blog/aws-lambda-pricing>.
pub const LAMBDA_MILLION: f64 = 0.20;
/// A GB-second on arm64; each begun millisecond of a duration counts. From the same two pages.
pub const LAMBDA_GB_SECOND: f64 = 0.000_013_333_4;
/// A GB-second on `x86_64`. From the same two pages.
pub const LAMBDA_X86_GB_SECOND: f64 = 0.000_016_666_7;

/// Read request units, per million: one is 4 KB, read strongly consistent.
/// <https://aws.amazon.com/dynamodb/pricing/on-demand/>, read at
/// <https://airbyte.com/data-engineering-resources/dynamodb-pricing> (July 2025).
pub const DYNAMODB_READ_MILLION: f64 = 0.125;
/// Write request units, per million: one is 1 KB. From the same two pages.
pub const DYNAMODB_WRITE_MILLION: f64 = 0.625;
/// Storage of standard tables, per GB and month. <https://aws.amazon.com/dynamodb/pricing/on-demand/>; known from
/// before.
pub const DYNAMODB_GB_MONTH: f64 = 0.25;
/// Continuous backups for recovery to a point in time, per GB of table and month; known from before.
pub const DYNAMODB_BACKUP_GB_MONTH: f64 = 0.20;

/// Logs of Lambda functions, per GB taken in. <https://aws.amazon.com/cloudwatch/pricing/>, read at
/// <https://www.duckbillgroup.com/?p=9080> and <https://c3x.dev/blog/cloudwatch-logs-cost-optimization> (June 2026).
pub const LOGS_GB: f64 = 0.50;
/// Stored logs, per GB of compressed data and month. From the last of these pages.
pub const LOGS_GB_MONTH: f64 = 0.03;
/// The share of a log's size that is left after compression, as AWS's calculator assumes, read at
/// <https://dev.classmethod.jp/articles/compare-archive-cost-cloudwatchlogs-s3/>.
pub const LOGS_COMPRESSION: f64 = 0.15;
/// How many bytes are billed on top of each line; known from before.
pub const LOG_LINE_BYTES: u64 = 26;

/// Requests to an HTTP API, per million. <https://aws.amazon.com/api-gateway/pricing/>; known from before.
pub const API_MILLION: f64 = 1.00;

/// Metrics that `GetMetricData` or `GetMetricStatistics` returns, per thousand.
/// <https://aws.amazon.com/cloudwatch/pricing/>; known from before, as are the next three.
pub const METRICS_THOUSAND: f64 = 0.01;
/// A metric that a function prints, per month, billed for the hours in which it has values.
pub const METRIC_MONTH: f64 = 0.30;
/// A metric that an alarm looks at, per month.
pub const ALARM_METRIC_MONTH: f64 = 0.10;
/// A dashboard, per month.
pub const DASHBOARD_MONTH: f64 = 3.00;
