//! The model as a page. No colour means anything: what stands out is bold or inverted, and says in words what it is.

use countersign_mobile::{LinkState, PendingRequest, RequestKind};
use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    style::{Modifier, Style},
    text::{Line, Span},
    widgets::{Block, List, ListState, Paragraph, Wrap},
};

use super::model::{Model, Page, Question};
use crate::{show, time_text::utc};

/// Columns that are kept for what is typed.
const ROOM_TO_TYPE: usize = 14;
const KNOWN: &str = "Known to this phone";
const CLAIMED: &str = "CLAIMED by the job, checked by nobody";
/// Rows of a window that has room for notices beside a request.
const ROOMY: u16 = 20;
/// Draws everything; `local` is this machine's time, Unix seconds. Tells the model what fits.
pub(crate) fn draw(frame: &mut Frame<'_>, model: &mut Model, local: u64) {
    let notices = notices(model, frame.area());
    let height = u16::try_from(notices.len()).unwrap_or(0);
    let rows = [Constraint::Length(1), Constraint::Min(1), Constraint::Length(height), Constraint::Length(1), Constraint::Length(1)];
    let [top, page, told, question, keys] = Layout::vertical(rows).areas(frame.area());
    frame.render_widget(Paragraph::new(Line::from(vec![bold(&format!("{}  ", model.news.name)), status(model, local).into()])), top);
    match &model.page {
        Page::Requests => requests(frame, model, page),
        Page::Request(_) => match model.open() {
            Some(request) => (model.scrolled, model.fits) = detail(frame, request, page, model.scrolled),
            None => requests(frame, model, page),
        },
        Page::History => history(frame, model, page),
    }
    frame.render_widget(Paragraph::new(notices.into_iter().map(Line::from).collect::<Vec<_>>()), told);
    ask(frame, model, question);
    frame.render_widget(Paragraph::new(help(model)).style(Style::new().add_modifier(Modifier::REVERSED)), keys);
}

fn bold(text: &str) -> Span<'static> {
    Span::styled(text.to_owned(), Style::new().add_modifier(Modifier::BOLD))
}

/// The newest notices, and no more than leave room for the page; but the last one whole, if a third of it will do: what to do is at its end.
fn notices(model: &Model, area: Rect) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    // Of a request as much as possible is to be seen.
    let small = matches!(model.page, Page::Request(_)) && area.height < ROOMY;
    let share = |part: u16| usize::from(if small { (area.height / part / 2).max(1) } else { area.height / part });
    for notice in model.slip.iter().chain(model.notices.iter().rev()) {
        let room = if lines.is_empty() { share(3) } else { share(6) };
        let mut wrapped = wrapped(notice, usize::from(area.width));
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
    lines
}

/// Lines of at most `width` characters, broken at spaces where there are any.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        let mut letters = word.chars().peekable();
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.extend(letters);
            }
            // A word that is longer than a line is cut into lines.
            _ => loop {
                lines.push(letters.by_ref().take(width.max(1)).collect());
                if letters.peek().is_none() {
                    break;
                }
            },
        }
    }
    lines
}

/// Connections, and this machine's clock: codes are wrong if it is.
fn status(model: &Model, local: u64) -> String {
    let mut parts: Vec<String> = model.news.connections.iter().map(connection).collect();
    if parts.is_empty() {
        parts.push("no relay: pair first".into());
    }
    parts.push(format!("clock {}", utc(local)));
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

fn requests(frame: &mut Frame<'_>, model: &Model, area: Rect) {
    let block = Block::bordered().title("Requests");
    if model.news.requests.is_empty() {
        return frame.render_widget(Paragraph::new("waiting for requests").block(block), area);
    }
    let rows = model.news.requests.iter().map(|it| format!("{}  {}  {} s left", it.verified.pairing, wanted(it), it.seconds_left));
    let list = List::new(rows).block(block).highlight_symbol("> ").highlight_style(Style::new().add_modifier(Modifier::REVERSED));
    let mut state = ListState::default().with_selected(Some(model.selected));
    frame.render_stateful_widget(list, area, &mut state);
}

fn wanted(it: &PendingRequest) -> String {
    let seed = it.verified.seed.as_deref().unwrap_or_default();
    match (it.verified.kind, it.verified.codes) {
        (RequestKind::Enroll, _) => "wants to enroll a seed".into(),
        (RequestKind::Code, 1) => format!("wants a code of {seed}"),
        (RequestKind::Code, codes) => format!("wants {codes} codes of {seed}"),
    }
}

/// Shows a request from the row `scrolled` on, if it is longer than the page; gives the row that is shown first,
/// and whether the page has room for what nobody may approve without having seen: who, what, and that it is the first use.
fn detail(frame: &mut Frame<'_>, it: &PendingRequest, area: Rect, scrolled: u16) -> (u16, bool) {
    let (known, claims) = (known(it), claims(it));
    let width = usize::from(area.width.saturating_sub(2));
    let rows = |lines: &[Line<'_>]| lines.iter().map(|line| wrapped(&line.to_string(), width).len()).sum::<usize>() + 2;
    let (above, below) = (rows(&known), rows(&claims));
    if above + below <= usize::from(area.height) {
        let height = u16::try_from(above).unwrap_or(u16::MAX);
        let [top, bottom] = Layout::vertical([Constraint::Length(height), Constraint::Min(3)]).areas(area);
        let part = |title: &'static str, lines| {
            Paragraph::new::<Vec<Line<'_>>>(lines).wrap(Wrap { trim: false }).block(Block::bordered().title(title))
        };
        frame.render_widget(part(KNOWN, known), top);
        frame.render_widget(part(CLAIMED, claims), bottom);
        return (0, true);
    }
    // No room for frames: one text, with what matters first.
    let titled =
        |title: &str, lines: Vec<Line<'static>>| std::iter::once(Line::from(bold(&format!("{title}:")))).chain(lines).collect::<Vec<_>>();
    let known = titled(KNOWN, known);
    let needed = if it.verified.first_use { 4 } else { 3 };
    let needed: usize = known.iter().take(needed).map(|line| wrapped(&line.to_string(), usize::from(area.width)).len()).sum();
    let lines = known.into_iter().chain(titled(CLAIMED, claims));
    let rows: Vec<Line<'_>> = lines
        .flat_map(|line| {
            let style = line.spans.last().map(|span| span.style).unwrap_or_default();
            wrapped(&line.to_string(), usize::from(area.width)).into_iter().map(move |row| Line::from(Span::styled(row, style)))
        })
        .collect();
    let hidden = u16::try_from(rows.len()).unwrap_or(u16::MAX).saturating_sub(area.height);
    let scrolled = scrolled.min(hidden);
    frame.render_widget(Paragraph::new(rows).scroll((scrolled, 0)), area);
    if scrolled < hidden {
        let sign = " more below: Down ";
        let width = u16::try_from(sign.len()).unwrap_or(0).min(area.width);
        let corner = Rect { x: area.right().saturating_sub(width), y: area.bottom().saturating_sub(1), width, height: area.height.min(1) };
        frame.render_widget(Paragraph::new(sign).style(Style::new().add_modifier(Modifier::REVERSED)), corner);
    }
    (scrolled, needed <= usize::from(area.height))
}

/// What this phone knows of a request, the most important first.
fn known(it: &PendingRequest) -> Vec<Line<'static>> {
    let verified = &it.verified;
    let mut known: Vec<Line<'static>> =
        vec![vec!["who     ".into(), bold(&verified.pairing)].into(), vec!["what    ".into(), bold(&wanted(it))].into()];
    if verified.first_use {
        known.push("FIRST USE of this seed by this pairing".into());
    }
    known.extend(verified.recipients.iter().map(|recipient| Line::from(format!("can open it too: {recipient}"))));
    if it.away {
        known.push("the connection to the job is lost for now".into());
    }
    known.push(format!("time    {} s left", it.seconds_left).into());
    known
}

/// What the job says.
fn claims(it: &PendingRequest) -> Vec<Line<'static>> {
    let mut claims: Vec<_> = show::claims(&it.claimed).into_iter().map(|(name, value)| Line::from(format!("{name:10}  {value}"))).collect();
    if claims.is_empty() {
        claims.push("nothing".into());
    }
    claims
}

fn history(frame: &mut Frame<'_>, model: &Model, area: Rect) {
    let rows = model.news.history.iter().rev().map(|it| {
        let outcome = show::outcome(it.outcome);
        format!("{}  {outcome:12}  {}  {}  {}  {}", utc(it.at), it.pairing, it.label, it.codes, it.reason)
    });
    frame.render_widget(List::new(rows).block(Block::bordered().title("History, newest first")), area);
}

fn ask(frame: &mut Frame<'_>, model: &Model, area: Rect) {
    let Some(question) = model.question else {
        let text = match (model.stray, model.busy) {
            (true, _) => "what was asked for is gone, and what you type goes nowhere: press Enter",
            (false, true) => "one moment ...",
            (false, false) => "",
        };
        return frame.render_widget(Paragraph::new(text), area);
    };
    let mut text = words(model, question);
    // In a narrow window what is typed is seen, and not all of the question.
    let most = usize::from(area.width).saturating_sub(ROOM_TO_TYPE);
    if text.chars().count() > most {
        text = text.chars().take(most.saturating_sub(1)).chain(['…']).collect();
    }
    let typed = if question.is_secret() { "*".repeat(model.input.chars().count()) } else { model.input.to_string() };
    // The end of a long line is what is being typed.
    let room = usize::from(area.width).saturating_sub(text.chars().count() + 2);
    let hidden = typed.chars().count().saturating_sub(room);
    let shown: String = typed.chars().skip(hidden).collect();
    let column = u16::try_from(text.chars().count() + 1 + shown.chars().count()).unwrap_or(u16::MAX);
    frame.render_widget(Paragraph::new(Line::from(vec![bold(&format!("{text} ")), shown.into()])), area);
    frame.set_cursor_position((area.x.saturating_add(column).min(area.right().saturating_sub(1)), area.y));
}

fn words(model: &Model, question: Question) -> String {
    let (pairing, seed, most) = model.open().map_or_else(
        || (String::new(), String::new(), 1),
        |it| {
            let seed = it.verified.seed.clone().or_else(|| it.claimed.new_seed.clone()).unwrap_or_else(|| "this seed".into());
            (it.verified.pairing.clone(), seed, it.verified.codes)
        },
    );
    match question {
        Question::Grant => format!("allow {pairing} to use {seed} from now on? [yes/no]"),
        Question::Number => "number in the job's log:".into(),
        Question::Codes => format!("how many codes? [{most}]"),
        Question::Seed => "otpauth URI:".into(),
        Question::Reason => "deny; reason:".into(),
        Question::Block => format!("deny and take the pairing {pairing} back for good? [yes/no]"),
        Question::Quit => "leave although a request waits? [yes/no]".into(),
        Question::Passphrase => format!("{}: passphrase:", model.reason),
    }
}

fn help(model: &Model) -> &'static str {
    match (&model.page, model.question) {
        (_, None) if model.stray => " Enter: go on ",
        (_, Some(_)) => " Enter: go on   Esc: back ",
        (Page::Requests, None) => " Up/Down: choose   Enter: open   h: history   r: reconnect   q: quit ",
        (Page::Request(_), None) => " a: approve   d: deny   b: block   Esc: back   q: quit   r: reconnect ",
        (Page::History, None) => " Esc: back   q: quit ",
    }
}

#[cfg(test)]
mod tests {
    use countersign_mobile::Connection;
    use ratatui::{Terminal, backend::TestBackend};

    use super::{
        super::model::{Key, News},
        *,
    };
    use crate::show::tests::request;

    fn shown(model: &mut Model, width: u16, height: u16) -> String {
        let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        terminal.draw(|frame| draw(frame, model, 1_700_000_000)).unwrap();
        let buffer = terminal.backend().buffer();
        let row = |y: u16| (0..width).map(|x| buffer[(x, y)].symbol()).collect::<String>().trim_end().to_owned();
        (0..height).map(row).collect::<Vec<_>>().join("\n")
    }

    fn model(requests: Vec<PendingRequest>) -> Model {
        let relay = Connection { relay: "wss://relay.example".into(), state: LinkState::Connected };
        let mut model = Model::new(News::default());
        model.update(News { name: "home".into(), requests, connections: vec![relay], ..News::default() });
        model
    }

    #[test]
    fn a_request_has_two_parts() {
        let page = shown(&mut model(vec![request("1", 2)]), 72, 18);
        let expected = "\
home  wss://relay.example connected  clock 2023-11-14 22:13:20Z
┌Known to this phone───────────────────────────────────────────────────┐
│who     acme/widget                                                   │
│what    wants 2 codes of ACME:release                                 │
│time    90 s left                                                     │
└──────────────────────────────────────────────────────────────────────┘
┌CLAIMED by the job, checked by nobody─────────────────────────────────┐
│seed        npm                                                       │
│reason      release 1.2                                               │
│actor       alice                                                     │";
        assert!(page.starts_with(expected), "{page}");
        assert!(page.ends_with("\n\n a: approve   d: deny   b: block   Esc: back   q: quit   r: reconnect"), "{page}");
    }

    #[test]
    fn a_small_window_shows_what_matters_first_and_scrolls() {
        let mut asked = request("1", 20);
        asked.verified.first_use = true;
        let mut model = model(vec![asked]);
        let page = shown(&mut model, 60, 8);
        let first: Vec<_> = page.lines().skip(1).take(4).collect();
        let expected = [
            "Known to this phone:",
            "who     acme/widget",
            "what    wants 20 codes of ACME:release",
            "FIRST USE of this seed by this pairing",
        ];
        assert_eq!(first, expected, "{page}");
        assert!(page.contains("more below: Down") && model.fits, "{page}");
        // Also while a question is open.
        model.key(Key::Char('a'));
        let mut seen = page;
        while seen.contains("more below") {
            model.key(Key::Down);
            seen = shown(&mut model, 60, 8);
        }
        assert!(model.scrolled > 0 && seen.contains("actor       alice"), "{seen}");
        model.key(Key::PageUp);
        (0..100).for_each(|_| drop(model.key(Key::Up)));
        assert!(shown(&mut model, 60, 8).contains("who     acme/widget"));
        // (It can't be scrolled further than its end either.)
        (0..100).for_each(|_| drop(model.key(Key::PageDown)));
        shown(&mut model, 60, 8);
        model.key(Key::Up);
        assert!(shown(&mut model, 60, 8).contains("more below"));
    }

    #[test]
    fn nobody_approves_what_a_window_can_not_show() {
        let mut model = model(vec![request("1", 20)]);
        shown(&mut model, 20, 5);
        model.key(Key::Char('a'));
        assert_eq!(model.question, None);
        assert!(model.notices.back().unwrap().contains("too small"));
        shown(&mut model, 60, 12);
        model.key(Key::Char('a'));
        assert_eq!(model.question, Some(Question::Number));
        // What is typed is seen where there is little room.
        "123".chars().for_each(|c| drop(model.key(Key::Char(c))));
        assert!(shown(&mut model, 30, 12).contains("… 123"), "{}", shown(&mut model, 30, 12));
    }

    #[test]
    fn secrets_are_stars() {
        let mut model = model(vec![request("1", 1)]);
        model.ask_passphrase("Approve ACME:release for acme/widget".into());
        "correct horse".chars().for_each(|c| drop(model.key(Key::Char(c))));
        let page = shown(&mut model, 80, 12);
        assert!(page.contains("Approve ACME:release for acme/widget: passphrase: *************\n"), "{page}");
        assert!(!page.contains("horse"));
    }

    #[test]
    fn every_size_is_drawn() {
        let mut model = model(vec![request("1", 1), request("2", 3)]);
        model.notice("told".into());
        for keys in [&[][..], &[Key::Enter], &[Key::Char('a')], &[Key::Char('1')]] {
            keys.iter().for_each(|key| drop(model.key(*key)));
            for (width, height) in [(1, 1), (3, 2), (20, 5), (40, 12), (200, 60)] {
                shown(&mut model, width, height);
            }
        }
    }

    #[test]
    fn a_long_notice_is_whole_where_there_is_room() {
        let mut model = model(vec![]);
        model.notice("first".into());
        model.notice(
            "the phone's keys are not available: unlock.age is missing; bring it back with: countersign-phone restore-key BACKUP".into(),
        );
        let told = "first\nthe phone's keys are not available: unlock.age is\nmissing; bring it back with: countersign-phone\nrestore-key BACKUP\n";
        assert!(shown(&mut model, 50, 24).contains(told), "{}", shown(&mut model, 50, 24));
        // The last one matters most.
        let page = shown(&mut model, 50, 12);
        assert!(page.contains("restore-key BACKUP") && !page.contains("first"), "{page}");
        assert_eq!(wrapped("one two 1234567890", 7), ["one two", "1234567", "890"]);
        assert_eq!(wrapped("", 0), [""]);
    }

    #[test]
    fn what_is_not_connected_says_so() {
        let mut model = model(vec![]);
        let state = LinkState::Waiting { problem: "cannot reach the relay".into(), retry_ms: 10 };
        model.news.connections[0].state = state;
        let page = shown(&mut model, 100, 8);
        assert!(page.contains("wss://relay.example NOT CONNECTED: cannot reach the relay"), "{page}");
        assert!(page.contains("waiting for requests"));
    }
}
