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
    wrap::{columns, cut, wrapped},
};

/// Rows of a window that has room for more than the page and one notice.
const ROOMY: u16 = 20;

/// Draws everything; `local` is this machine's time, Unix seconds. Tells the model what fits.
pub(crate) fn draw(frame: &mut Frame<'_>, model: &mut Model, local: u64) {
    let area = frame.area();
    let asked = ask::rows(model, area.width);
    let needed = model.open().and_then(|it| request::needed(it, area.width));
    let fits = fits(model, area, needed, &asked);
    model.seen(fits);
    let (notices, standing, help) = (notices(model, area), standing(model, area), ask::help(model, area));
    let approves = model.question.as_ref().is_some_and(Question::is_of_an_approval);
    // Of what does not fit nothing is approved: then it is more important to say so.
    let rows = if approves && !model.fits { 1 } else { asked.len() };
    let least = needed.filter(|_| model.fits).unwrap_or(1);
    // What is asked, and who and what, come before all else.
    let mut spare = usize::from(area.height).saturating_sub(rows + least);
    let mut take = |wanted: usize| {
        let taken = wanted.min(spare);
        spare -= taken;
        Constraint::Length(u16::try_from(taken).unwrap_or(0))
    };
    let (told, waits, keys, top) = (take(notices.len()), take(standing.len()), take(help.len()), take(1));
    let question = Constraint::Length(u16::try_from(rows).unwrap_or(u16::MAX).min(area.height));
    let [top, page, waits, told, question, keys] = Layout::vertical([top, Constraint::Min(0), waits, told, question, keys]).areas(area);
    let name = format!("{}  ", model.news.name);
    let status = status(model, local, usize::from(area.width).saturating_sub(columns(&name)));
    frame.render_widget(Paragraph::new(Line::from(vec![bold(&name), status.into()])), top);
    match model.open() {
        Some(request) => model.scrolled = request::draw(frame, request, page, model.scrolled, approves),
        None => list::draw(frame, &title(&model.page), &model.rows(), model.selected, page),
    }
    frame.render_widget(lines(standing).style(Style::new().add_modifier(Modifier::BOLD)), waits);
    frame.render_widget(lines(notices), told);
    ask::draw(frame, model, &asked, question);
    frame.render_widget(lines(help).style(Style::new().add_modifier(Modifier::REVERSED)), keys);
}

/// Whether the window shows what nobody may say yes to without having seen it, and all of the question: that of an approval before it is asked.
fn fits(model: &Model, area: Rect, needed: Option<usize>, asked: &[String]) -> bool {
    let first = ask::question_rows(model, &model.first_question(), area.width);
    let (above, question) = match &model.question {
        Some(Question::Sure(deed)) => {
            let means = wrapped(&deed.means(), usize::from(area.width));
            let rows = notices(model, area).starts_with(&means).then_some(means.len() + 1);
            (rows, asked)
        }
        Some(_) => (needed, asked),
        None => (needed, first.as_slice()),
    };
    let is_narrow = question.iter().any(|row| columns(row) > usize::from(area.width));
    !is_narrow && above.is_some_and(|above| above + question.len() <= usize::from(area.height))
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

/// What stays until something is done about it: that lists or a key were lost, on the first page; that requests wait, on all others.
fn standing(model: &Model, area: Rect) -> Vec<String> {
    let lost = model.news.lost.iter().filter(|_| model.page == Page::Requests).filter_map(|what| match what {
        LostPart::Seeds => Some("SEEDS WERE LOST: s says what to do"),
        LostPart::Pairings => Some("PAIRINGS WERE LOST: p says what to do"),
        LostPart::Requests | LostPart::History => None,
    });
    let key =
        (model.news.no_unlock_key && model.page == Page::Requests).then_some("THE KEY THAT OPENS SEEDS IS MISSING: s says what to do");
    lost.chain(key).map(str::to_owned).chain(waiting(model, area)).collect()
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
    for notice in model.slip.iter().chain(model.told()) {
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

/// Connections, and this machine's clock: codes are wrong if it is. Where there is little room, less is said of what is wrong with a connection.
fn status(model: &Model, local: u64, width: usize) -> String {
    let connections = &model.news.connections;
    // Its seconds would have the page drawn anew each second, while nobody looks.
    let clock = if model.news.requests.is_empty() { utc_minute(local) } else { utc(local) };
    let text = |room: usize| {
        let mut parts: Vec<String> = connections.iter().map(|it| connection(it, room)).collect();
        if parts.is_empty() {
            parts.push("no relay: pair first".into());
        }
        parts.push(format!("clock {clock}"));
        parts.join("  ")
    };
    let whole = text(usize::MAX);
    if columns(&whole) <= width {
        return whole;
    }
    let problems = connections.iter().filter(|it| matches!(it.state, LinkState::Waiting { .. })).count();
    text(width.saturating_sub(columns(&text(0))) / problems.max(1))
}

/// `room`: columns for what is wrong.
fn connection(it: &countersign_mobile::Connection, room: usize) -> String {
    match &it.state {
        LinkState::Connecting => format!("{} connecting", it.relay),
        LinkState::Connected => format!("{} connected", it.relay),
        LinkState::Evicted => format!("{} ANOTHER DEVICE answers for this phone", it.relay),
        LinkState::Disconnected => format!("{} not connected", it.relay),
        LinkState::Waiting { problem, .. } => format!("{} NOT CONNECTED{}", it.relay, cut(&format!(": {problem}"), room)),
    }
}

#[cfg(test)]
mod tests;
