//! The model as a page. No colour means anything: what stands out is bold or inverted, and says in words what it is.

mod ask;
mod list;
mod more;
mod request;

use countersign_mobile::{LinkState, LostPart};
use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    style::{Modifier, Style},
    text::{Line, Span},
    widgets::Paragraph,
};

use super::model::{Model, Page, Question};
use crate::{
    time_text::{utc, utc_minute},
    wrap::wrapped,
};

/// Rows of a window that has room for more than the page and one notice.
const ROOMY: u16 = 20;

/// Draws everything; `local` is this machine's time, Unix seconds. Tells the model what fits.
pub(crate) fn draw(frame: &mut Frame<'_>, model: &mut Model, local: u64) {
    let area = frame.area();
    let (notices, standing, help) = (notices(model, area), standing(model, area), ask::help(model, area));
    let rows = |lines: &[String]| Constraint::Length(u16::try_from(lines.len()).unwrap_or(0));
    let heights = [Constraint::Length(1), Constraint::Min(1), rows(&standing), rows(&notices), Constraint::Length(1), rows(&help)];
    let [top, page, waits, told, question, keys] = Layout::vertical(heights).areas(area);
    frame.render_widget(Paragraph::new(Line::from(vec![bold(&format!("{}  ", model.news.name)), status(model, local).into()])), top);
    match model.open() {
        Some(request) => (model.scrolled, model.fits) = request::draw(frame, request, page, model.scrolled),
        None => list::draw(frame, &title(&model.page), &model.rows(), model.selected, page),
    }
    if let Some(Question::Sure(deed)) = &model.question {
        model.fits = notices.starts_with(&wrapped(&deed.means(), usize::from(area.width)));
    }
    frame.render_widget(lines(standing).style(Style::new().add_modifier(Modifier::BOLD)), waits);
    frame.render_widget(lines(notices), told);
    ask::draw(frame, model, question);
    frame.render_widget(lines(help).style(Style::new().add_modifier(Modifier::REVERSED)), keys);
}

fn lines(texts: Vec<String>) -> Paragraph<'static> {
    Paragraph::new(texts.into_iter().map(Line::from).collect::<Vec<_>>())
}

fn bold(text: &str) -> Span<'static> {
    Span::styled(text.to_owned(), Style::new().add_modifier(Modifier::BOLD))
}

fn title(page: &Page) -> String {
    match page {
        Page::Requests | Page::Request(_) => "Requests",
        Page::History => "History, newest first",
        Page::Seeds => "Seeds",
        Page::Seed(_) => "Seed",
        Page::Pairings => "Pairings",
        Page::Pairing(_) => "Pairing",
    }
    .to_owned()
}

/// What stays until something is done about it: that lists were lost, on the first page; that requests wait, on all others.
fn standing(model: &Model, area: Rect) -> Vec<String> {
    let lost = model.news.lost.iter().filter(|_| model.page == Page::Requests).filter_map(|what| match what {
        LostPart::Seeds => Some("SEEDS WERE LOST: s says what to do"),
        LostPart::Pairings => Some("PAIRINGS WERE LOST: p says what to do"),
        LostPart::Requests | LostPart::History => None,
    });
    lost.map(str::to_owned).chain(waiting(model, area)).collect()
}

/// That requests wait which are not on the page.
fn waiting(model: &Model, area: Rect) -> Option<String> {
    let is_request = model.open().is_some();
    Some(match (model.out_of_sight(), is_request, model.question.is_some()) {
        (0, ..) => return None,
        // Of a request as much as possible is to be seen.
        (_, true, _) if area.height < ROOMY => return None,
        (1, true, _) => "ANOTHER REQUEST WAITS".to_owned(),
        (more, true, _) => format!("{more} OTHER REQUESTS WAIT"),
        (1, false, true) => "A REQUEST WAITS".to_owned(),
        (more, false, true) => format!("{more} REQUESTS WAIT"),
        (1, false, false) => "A REQUEST WAITS: w shows it".to_owned(),
        (more, false, false) => format!("{more} REQUESTS WAIT: w shows them"),
    })
}

/// The newest notices, and no more than leave room for the page; but the last one whole, if a third of it will do: what to do is at its end.
/// What is about to be done comes before all else, and may take half.
fn notices(model: &Model, area: Rect) -> Vec<String> {
    // Of a request as much as possible is to be seen.
    let small = model.open().is_some() && area.height < ROOMY;
    let share = |part: u16| usize::from(if small { (area.height / part / 2).max(1) } else { area.height / part });
    let width = usize::from(area.width);
    let mut above: Vec<String> = Vec::new();
    if let Some(Question::Sure(deed)) = &model.question {
        above = wrapped(&deed.means(), width);
        above.truncate(share(2));
    }
    let mut lines: Vec<String> = Vec::new();
    for notice in model.slip.iter().chain(model.notices.iter().rev()) {
        let room = if lines.is_empty() && above.is_empty() { share(3) } else { share(6) };
        let mut wrapped = wrapped(notice, width);
        if lines.len() + wrapped.len() > room {
            if lines.is_empty() {
                wrapped.truncate(room);
                lines = wrapped;
            }
            break;
        }
        wrapped.append(&mut lines);
        lines = wrapped;
    }
    above.append(&mut lines);
    above
}

/// Connections, and this machine's clock: codes are wrong if it is.
fn status(model: &Model, local: u64) -> String {
    let mut parts: Vec<String> = model.news.connections.iter().map(connection).collect();
    if parts.is_empty() {
        parts.push("no relay: pair first".into());
    }
    // Its seconds would have the page drawn anew each second, while nobody looks.
    let clock = if model.news.requests.is_empty() { utc_minute(local) } else { utc(local) };
    parts.push(format!("clock {clock}"));
    parts.join("  ")
}

fn connection(it: &countersign_mobile::Connection) -> String {
    match &it.state {
        LinkState::Connecting => format!("{} connecting", it.relay),
        LinkState::Connected => format!("{} connected", it.relay),
        LinkState::Evicted => format!("{} ANOTHER DEVICE answers for this phone", it.relay),
        LinkState::Disconnected => format!("{} not connected", it.relay),
        LinkState::Waiting { problem, .. } => format!("{} NOT CONNECTED: {problem}", it.relay),
    }
}

#[cfg(test)]
mod tests;
