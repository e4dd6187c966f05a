//! What CloudWatch has metered of a stack in a period.
//!
//! It keeps values by the hour for 455 days, and by the minute for 15. One call returns up to 500 metrics and 100,800
//! values: a stack's 200 metrics by the day, and its own 23 by the hour, are a fifth of that. More values come
//! in further pages.
//! <https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_GetMetricData.html>

use std::{collections::HashMap, time::SystemTime};

use aws_sdk_cloudwatch::{
    Client,
    error::SdkError,
    operation::get_metric_data::GetMetricDataError,
    types::{Dimension, Metric as Named, MetricDataQuery, MetricStat},
};
use jiff::Timestamp;
use nano_webhooks::telemetry::metrics;

use super::{parts::Parts, period::Period};
use crate::stack::Stack;

/// How many metrics one call may ask for.
const AT_MOST: usize = 500;
const MINUTE: i32 = 60;
const HOUR: i32 = 60 * MINUTE;
const DAY: i32 = 24 * HOUR;

pub(super) const QUEUES: [&str; 3] = ["completions", "deliveries", "dead-letters"];

/// A metric: its namespace, its name, and its dimensions.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Metric {
    namespace: &'static str,
    name: String,
    dimensions: Vec<(&'static str, String)>,
}

/// A metric in a period: the sum of its values, and in how many minutes, hours or days it had any.
#[derive(Debug, Clone, Copy, Default)]
struct Figure {
    sum: f64,
    times: usize,
}

/// When the values are read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    from: Timestamp,
    until: Timestamp,
    /// For how many seconds CloudWatch adds up the values of AWS's metrics.
    seconds: i32,
}

impl Span {
    /// The part of a month that has passed.
    pub(super) fn of(period: &Period) -> Self {
        Self { from: period.month.begins(), until: period.until, seconds: DAY }
    }

    /// From a time in the last 15 days until now.
    pub(super) fn since(from: Timestamp) -> Self {
        Self { from, until: Timestamp::now(), seconds: MINUTE }
    }
}

/// The metrics of a stack in a span.
#[derive(Debug, Default)]
pub(super) struct Figures(HashMap<Metric, Figure>);

impl Metric {
    fn new(namespace: &'static str, name: &str, dimensions: &[(&'static str, &str)]) -> Self {
        let dimensions = dimensions.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        Self { namespace, name: name.to_owned(), dimensions }
    }

    pub(super) fn queue(name: &str, stack: &str, queue: &str) -> Self {
        Self::new("AWS/SQS", name, &[("QueueName", &format!("{stack}-{queue}"))])
    }

    pub(super) fn function(name: &str, function: &str) -> Self {
        Self::new("AWS/Lambda", name, &[("FunctionName", function)])
    }

    /// Without an index, CloudWatch's figure is that of the table without its indexes.
    pub(super) fn table(name: &str, table: &str, index: Option<&str>) -> Self {
        let index = index.map(|index| ("GlobalSecondaryIndexName", index));
        let dimensions: Vec<_> = [("TableName", table)].into_iter().chain(index).collect();
        Self::new("AWS/DynamoDB", name, &dimensions)
    }

    pub(super) fn log(name: &str, group: &str) -> Self {
        Self::new("AWS/Logs", name, &[("LogGroupName", group)])
    }

    pub(super) fn api(name: &str, api: &str) -> Self {
        Self::new("AWS/ApiGateway", name, &[("ApiId", api)])
    }

    /// The metrics that a stack's functions print.
    pub(super) fn own(stack: &str) -> impl Iterator<Item = Self> {
        metrics::Metric::ALL
            .into_iter()
            .map(move |metric| Self::new(metrics::NAMESPACE, &format!("{metric:?}"), &[(metrics::DIMENSION, stack)]))
    }

    fn is_own(&self) -> bool {
        self.namespace == metrics::NAMESPACE
    }

    fn query(&self, id: usize, seconds: i32) -> MetricDataQuery {
        let dimensions =
            self.dimensions.iter().map(|(name, value)| Dimension::builder().name(*name).value(value).build());
        let named = Named::builder()
            .namespace(self.namespace)
            .metric_name(&self.name)
            .set_dimensions(Some(dimensions.collect()));
        // A metric of one's own is billed for the hours in which it has values.
        let period = if self.is_own() { HOUR } else { seconds };
        let stat = MetricStat::builder().metric(named.build()).period(period).stat("Sum").build();
        MetricDataQuery::builder().id(format!("m{id}")).metric_stat(stat).build()
    }
}

/// AWS's metrics that a stack's bill needs.
pub(super) fn metrics(parts: &Parts) -> Vec<Metric> {
    let mut metrics = Vec::new();
    for queue in QUEUES {
        let names = ["NumberOfMessagesSent", "NumberOfMessagesReceived", "NumberOfEmptyReceives", "SentMessageSize"];
        metrics.extend(names.map(|name| Metric::queue(name, &parts.stack, queue)));
    }
    for function in &parts.functions {
        metrics.extend(["Invocations", "Duration"].map(|name| Metric::function(name, &function.physical)));
    }
    for table in &parts.tables {
        for index in [None].into_iter().chain(table.indexes.iter().copied().map(Some)) {
            let names = ["ConsumedReadCapacityUnits", "ConsumedWriteCapacityUnits"];
            metrics.extend(names.map(|name| Metric::table(name, &table.physical, index)));
        }
    }
    for (_, group) in &parts.logs {
        metrics.extend(["IncomingBytes", "IncomingLogEvents"].map(|name| Metric::log(name, group)));
    }
    metrics.extend(parts.api.iter().map(|api| Metric::api("Count", api)));
    metrics
}

impl Figures {
    /// Reads the metrics.
    pub(super) async fn read(
        stack: &Stack,
        metrics: &[Metric],
        span: Span,
    ) -> Result<Self, SdkError<GetMetricDataError>> {
        let client = Client::new(&stack.aws);
        let mut figures = Self::default();
        for metrics in metrics.chunks(AT_MOST) {
            let queries = metrics.iter().enumerate().map(|(id, metric)| metric.query(id, span.seconds));
            let mut pages = client
                .get_metric_data()
                .set_metric_data_queries(Some(queries.collect()))
                .start_time(SystemTime::from(span.from).into())
                .end_time(SystemTime::from(span.until).into())
                .into_paginator()
                .send();
            while let Some(page) = pages.next().await {
                for found in page?.metric_data_results() {
                    let id = found.id().and_then(|id| id.strip_prefix('m')?.parse::<usize>().ok());
                    if let Some(metric) = id.and_then(|id| metrics.get(id)) {
                        figures.add(metric.clone(), found.values());
                    }
                }
            }
        }
        Ok(figures)
    }

    /// Adds a metric's values. Those of one metric may come in several pages.
    pub(super) fn add(&mut self, metric: Metric, values: &[f64]) {
        let figure = self.0.entry(metric).or_default();
        figure.sum += values.iter().sum::<f64>();
        figure.times += values.len();
    }

    /// Whether CloudWatch has no value of any metric that AWS publishes by itself.
    pub(super) fn is_empty(&self) -> bool {
        self.0.iter().all(|(metric, figure)| metric.is_own() || figure.times == 0)
    }

    /// The sum of a metric's values; 0 if it has none.
    pub(super) fn sum(&self, metric: &Metric) -> f64 {
        self.0.get(metric).map_or(0.0, |figure| figure.sum)
    }

    /// In how many hours the metrics had values that the stack's functions print, all together.
    #[expect(clippy::cast_precision_loss, reason = "a month has less than 2^53 hours")]
    pub(super) fn own_hours(&self) -> f64 {
        self.0.iter().filter(|(metric, _)| metric.is_own()).map(|(_, figure)| figure.times as f64).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pages_of_a_metric_add_up_and_hours_count_for_those_that_functions_print() {
        let mut figures = Figures::default();
        let invocations = Metric::function("Invocations", "f");
        figures.add(invocations.clone(), &[]);
        let own: Vec<_> = Metric::own("s").collect();
        figures.add(own[0].clone(), &[5.0, 5.0]);
        figures.add(own[1].clone(), &[1.0]);
        assert!(figures.is_empty(), "what the functions print shows only that they ran");
        figures.add(invocations.clone(), &[1.0, 2.0]);
        figures.add(invocations.clone(), &[4.0]);
        assert_eq!((figures.sum(&invocations), figures.own_hours(), figures.is_empty()), (7.0, 3.0, false));
        assert!(figures.sum(&Metric::function("Invocations", "g")) < 1.0);
    }

    #[test]
    fn a_metric_that_functions_print_is_asked_for_by_the_hour_and_any_other_by_the_day() {
        let period = |metric: Metric| metric.query(0, DAY).metric_stat().unwrap().period();
        assert_eq!(period(Metric::own("s").next().unwrap()), Some(3_600));
        assert_eq!(period(Metric::api("Count", "a")), Some(86_400));
    }

    #[test]
    fn a_month_of_a_stack_fits_into_one_call() {
        let functions = (0..30).map(|number| super::super::parts::Function {
            name: number.to_string(),
            physical: number.to_string(),
            gigabytes: None,
            is_arm: true,
        });
        let logs = (0..31).map(|number| (number.to_string(), number.to_string()));
        let parts = Parts { functions: functions.collect(), logs: logs.collect(), ..Parts::default() };
        let (aws, own) = (metrics(&parts).len(), Metric::own("s").count());
        assert!(aws + own < AT_MOST && own * 744 + aws * 31 < 100_800, "{aws}");
    }
}
