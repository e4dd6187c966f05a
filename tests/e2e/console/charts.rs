//! The charts of a webhook's hours. Most tests compare the pixels of a screenshot, because they are about what the eye sees.

use std::{net::TcpListener, time::Duration};

use harness::Answer;
use reqwest::Method;
use serde_json::{Value, json};

use super::{Browser, check_looks, sign_in, webhook};
use crate::{RECEIVER, key_for};

/// Draws both charts for the given hours. Returns, for each, where it is on the page and the colours of its series.
const DRAW: &str = "
    const { drawCharts } = (await import(document.querySelector('script').src)).modules.charts;
    const element = document.createElement('div');
    element.className = 'charts';
    document.querySelector('main').replaceChildren(element);
    drawCharts(element, given);
    await new Promise((resolve) => setTimeout(resolve, 200));
    return [...element.querySelectorAll('figure')].map((figure) => {
        const { x, y, width, height } = figure.querySelector('.canvas').getBoundingClientRect();
        const colours = [...figure.querySelectorAll('.swatch')].map((swatch) =>
            [swatch.classList[1], getComputedStyle(swatch).backgroundColor.match(/\\d+/g).map(Number)]);
        return { area: [x + scrollX, y + scrollY, width, height].map(Math.round), colours };
    });";

/// Counts, in a picture of the page, the pixels of each chart by colour: how many have it, those at smoothed edges
/// included, and how many of them the fullest column has. And looks whether anything is at the left or right edge.
const COUNT: &str = "
    const bytes = Uint8Array.from(atob(given.picture), (letter) => letter.charCodeAt(0));
    const picture = await createImageBitmap(new Blob([bytes], { type: 'image/png' }));
    const context = new OffscreenCanvas(picture.width, picture.height).getContext('2d');
    context.drawImage(picture, 0, 0);
    return given.charts.map(({ area, colours }) => {
        const { data, width, height } = context.getImageData(...area);
        const pixel = (x, y) => data.subarray(4 * (y * width + x), 4 * (y * width + x) + 3);
        const ground = [...pixel(0, 0)];
        // The part of the colour in a pixel, where the rest is the ground; 0 for another colour.
        const part = (pixel, colour) => {
            const way = colour.map((value, at) => value - ground[at]);
            const length = way.reduce((sum, value) => sum + value * value, 0);
            const share = way.reduce((sum, value, at) => sum + value * (pixel[at] - ground[at]), 0) / length;
            return way.every((value, at) => Math.abs(ground[at] + share * value - pixel[at]) < 9) ? share : 0;
        };
        const rows = [...Array(height).keys()];
        const counts = colours.map(([name, colour]) => {
            const columns = [...Array(width).keys()].map((x) => rows.filter((y) => part(pixel(x, y), colour) > 0.39).length);
            return [name, [columns.reduce((sum, count) => sum + count), Math.max(...columns)]];
        });
        const touches_edge = rows.some((y) => [0, width - 1].some((x) => pixel(x, y).some((value, at) => value !== ground[at])));
        return { ...Object.fromEntries(counts), touches_edge };
    });";

/// Draws both charts for these hours and returns what a picture of them shows.
pub(super) async fn drawn(browser: &Browser, hours: Value) -> [Value; 2] {
    let charts = browser.script_with(DRAW, hours).await;
    let given = json!({ "charts": charts, "picture": browser.screenshot().await });
    serde_json::from_value(browser.script_with(COUNT, given).await).unwrap()
}

/// So many hours, each with this many deliveries and failures, and with a median and a 95th percentile or none.
fn hours(count: u64, deliveries: u64, failures: u64, speed: impl Fn(u64) -> Option<u64>) -> Value {
    let first: jiff::Timestamp = "2026-01-02T00:00:00Z".parse().unwrap();
    let hours = (0..count).map(|at| {
        let begins = first + jiff::SignedDuration::from_hours(i64::try_from(at).unwrap());
        json!({ "hour": format!("{begins}"), "deliveries": deliveries, "failures": failures,
            "failures_by_outcome": { "connect": failures }, "p50_ms": speed(at), "p95_ms": speed(at).map(|speed| speed * 3) })
    });
    hours.collect()
}

#[tokio::test]
async fn failures_stand_above_deliveries_in_a_colour_of_their_own() {
    let Some(browser) = Browser::start().await else { return };
    browser.read("API key").await;
    browser.look(1440, false).await;
    let [volume, _] = drawn(&browser, hours(24, 30, 30, |_| None)).await;
    let [green, red] = ["green", "red"].map(|name| volume[name][0].as_u64().unwrap());
    assert!(green > 1000 && green.abs_diff(red) * 5 < green, "as many of both: {volume}");
    let [volume, _] = drawn(&browser, hours(24, 0, 30, |_| None)).await;
    assert_eq!(volume["green"][0], 0, "{volume}");
    assert!(volume["red"][0].as_u64() > Some(1000), "{volume}");
}

/// A user's high-contrast theme replaces the colours of text, and would make all bars one colour.
#[tokio::test]
async fn forced_colours_leave_deliveries_and_failures_apart() {
    let Some(browser) = Browser::start().await else { return };
    browser.read("API key").await;
    browser.look(1440, false).await;
    browser.force_colours().await;
    let [volume, _] = drawn(&browser, hours(24, 30, 30, |_| None)).await;
    for name in ["green", "red"] {
        assert!(volume[name][0].as_u64() > Some(1000), "{name}: {volume}");
    }
}

/// Moves the pointer over the first chart, to so many pixels from its left edge, or away if that is negative. Returns
/// the text around the chart.
const POINT: &str = "
    const [first] = document.querySelectorAll('.canvas');
    const { left, top } = first.getBoundingClientRect();
    const at = { bubbles: true, clientX: left + given, clientY: top + 50 };
    if (given < 0) first.dispatchEvent(new MouseEvent('mouseleave'));
    else first.firstChild.dispatchEvent(new MouseEvent('mousemove', at));
    return first.closest('figure').innerText;";

#[tokio::test]
async fn the_pointer_and_the_arrow_keys_choose_the_hour_whose_numbers_are_shown() {
    let Some(browser) = Browser::start().await else { return };
    browser.read("API key").await;
    browser.look(1440, false).await;
    browser.be_in("UTC").await;
    let mut day = hours(24, 0, 0, |_| None);
    for (at, hour) in day.as_array_mut().unwrap().iter_mut().enumerate() {
        hour["deliveries"] = json!(100 + at);
    }
    drawn(&browser, day).await;
    let shown = async |x: i32| browser.script_with(POINT, json!(x)).await.as_str().unwrap().to_owned();
    assert!(shown(-1).await.contains("Total"));
    let first = shown(54).await;
    assert!(first.contains("Fri, 00:00 UTC") && first.contains("Delivered 100"), "{first}");
    let axis = shown(20).await;
    assert!(axis.contains("Total") && axis.contains("Delivered 2,676"), "{axis}");

    browser.script("document.querySelector('.canvas').focus()").await;
    for (key, numbers) in [
        ("\u{e012}", "Fri, 23:00 UTC: Failed attempts 0, Delivered 123"),
        ("\u{e012}", "Fri, 22:00 UTC: Failed attempts 0, Delivered 122"),
        ("\u{e014}", "Fri, 23:00 UTC: Failed attempts 0, Delivered 123"),
        ("\u{e014}", "Fri, 23:00 UTC: Failed attempts 0, Delivered 123"),
    ] {
        browser.keys(key).await;
        browser.comes_to("return document.getElementById('said').textContent", json!(numbers)).await;
    }
}

#[tokio::test]
async fn dots_mark_the_hours_of_a_day_and_do_not_smear_into_a_band_over_seven_days() {
    let Some(browser) = Browser::start().await else { return };
    browser.read("API key").await;
    for width in [1440, 390] {
        browser.look(width, false).await;
        let thickest = async |hours: Value| {
            let [_, speed] = drawn(&browser, hours).await;
            ["amber", "accent"].map(|name| speed[name][1].as_u64().unwrap())
        };
        let day = thickest(hours(24, 1, 0, |_| Some(100))).await;
        let week = thickest(hours(168, 1, 0, |_| Some(100))).await;
        assert!(day.iter().all(|pixels| *pixels >= 5), "{width}: {day:?}");
        assert!(week.iter().all(|pixels| (1..=3).contains(pixels)), "{width}: {week:?}");
        // A line through a single point would not be seen.
        let quiet = thickest(hours(168, 1, 0, |at| (at % 24 == 5).then_some(100))).await;
        assert!(quiet.iter().all(|pixels| *pixels >= 4), "{width}: {quiet:?}");
    }
}

#[tokio::test]
async fn response_times_leave_out_what_had_no_answer_and_the_page_says_how_that_failed() {
    let Some(browser) = Browser::start().await else { return };
    let key = key_for("acct_console_speed");
    let customer = webhook(&key).await;
    RECEIVER.answer("/acct_console_speed", [Answer { delay: Duration::from_secs(2), ..Answer::status(200) }]);
    customer.post("/api/v1/webhooks/1/test", &json!({})).await.unwrap();
    RECEIVER.wait_for("/acct_console_speed", 1, Duration::from_secs(20)).await.unwrap();
    tokio::time::sleep(Duration::from_secs(4)).await;
    // Nobody listens there any more.
    let refusing = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let moved = json!({ "url": format!("http://{refusing}/") }).to_string();
    assert_eq!(customer.send(Method::PATCH, "/api/v1/webhooks/1", Some(moved)).await.unwrap().status, 200);
    customer.post("/api/v1/webhooks/1/test", &json!({})).await.unwrap();

    sign_in(&browser, &key).await;
    browser.read(&refusing.to_string()).await;
    let start = std::time::Instant::now();
    loop {
        let stats = customer.get("/api/v1/webhooks/1/stats?hours=2").await.unwrap().json();
        let hours = stats["data"]["hours"].as_array().unwrap();
        let total = |field: &str| hours.iter().filter_map(|hour| hour[field].as_u64()).sum::<u64>();
        if (total("deliveries"), total("failures") >= 3) == (1, true) {
            break;
        }
        assert!(start.elapsed() < Duration::from_secs(90), "{stats}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    browser.go("#/webhooks/1").await;
    browser.read("× no connection").await;
    for name in ["Median", "95 % within"] {
        let seconds = format!("return /{name} [1-9]\\.\\d s/.test(document.body.innerText)");
        assert_eq!(browser.script(&seconds).await, true, "{}", browser.text().await);
    }
}

/// Has the page get these hours in place of the webhook's own, and asks for seven days of them.
const WEEK: &str = "
    const real = window.fetch;
    window.fetch = async (url, init) => (String(url).includes('/stats?')
        ? new Response(JSON.stringify({ success: true, data: { hours: given } })) : real(url, init));
    const period = document.querySelector('[aria-label=Period]');
    period.value = '168';
    period.dispatchEvent(new Event('change'));";

#[tokio::test]
async fn a_week_of_activity_is_legible_in_light_and_dark_and_fits_a_phone() {
    let Some(browser) = Browser::start().await else { return };
    let key = key_for("acct_console_week");
    webhook(&key).await;
    sign_in(&browser, &key).await;
    browser.read("Active").await;
    browser.go("#/webhooks/1").await;
    browser.read("Nothing in this time.").await;
    let mut week = hours(168, 1200, 30, |at| (at % 24 > 6).then_some(80 + at % 24 * 10));
    for (at, hour) in week.as_array_mut().unwrap().iter_mut().enumerate() {
        let busy = (at % 24).abs_diff(14);
        hour["deliveries"] = json!(1_300 - busy * 90);
        hour["failures"] = json!(if at % 31 == 7 { 400 } else { 2 });
        hour["failures_by_outcome"] = json!({ "timeout": 1, "http": if at % 31 == 7 { 399 } else { 1 } });
    }
    browser.script_with(WEEK, week).await;
    browser.read("Delivered 1").await;
    check_looks(&browser, "week").await;
}
