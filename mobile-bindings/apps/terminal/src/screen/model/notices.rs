//! What is told beside the page.

use super::{Model, Page, TOO_SMALL};

/// Notices that stay on screen.
const MAX_NOTICES: usize = 4;

/// Something that happened.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Notice {
    pub(crate) text: String,
    /// The request that it is about. It is not told on the page of another one: there it would be taken for that one's.
    about: Option<String>,
}

impl Model {
    pub(crate) fn notice(&mut self, text: String) {
        self.notice_about(None, text);
    }

    /// Tells something of a request.
    pub(crate) fn notice_about(&mut self, request: Option<String>, text: String) {
        self.notices.push_back(Notice { text, about: request });
        while self.notices.len() > MAX_NOTICES {
            self.notices.pop_front();
        }
    }

    /// What is told on this page, the newest first.
    pub(crate) fn told(&self) -> impl Iterator<Item = &String> {
        self.notices.iter().rev().filter(|notice| notice.is_for(&self.page)).map(|notice| &notice.text)
    }

    /// A page was opened. Where one comes back to from a request, it is still told what became of that.
    pub(super) fn forget_other_requests(&mut self) {
        if self.page != Page::Requests {
            let page = &self.page;
            self.notices.retain(|notice| notice.about.is_none() || matches!(page, Page::Request(_)) && notice.is_for(page));
        }
    }

    /// The window was made larger.
    pub(super) fn forget_too_small(&mut self) {
        self.slip.take_if(|slip| slip == TOO_SMALL);
        self.notices.retain(|notice| notice.text != TOO_SMALL);
    }
}

impl Notice {
    fn is_for(&self, page: &Page) -> bool {
        match (page, &self.about) {
            (Page::Request(open), Some(request)) => open == request,
            _ => true,
        }
    }
}
