//! What an answer does: the next question follows, or a deed.

use zeroize::Zeroizing;

use super::{Action, Model, Question, Secret, TOO_SMALL};

/// Answers that were given for an approval so far.
#[derive(Debug, Default)]
pub(super) struct Answers {
    grant: bool,
    number: String,
    codes: Option<u8>,
    seed: Option<Secret>,
}

impl Model {
    /// What was typed answers the question.
    pub(super) fn answer(&mut self, question: Question) -> Option<Action> {
        if question.is_of_an_approval() && !self.fits {
            // What was typed stays: it counts in a larger window.
            self.slip = Some(TOO_SMALL.into());
            return None;
        }
        match question {
            Question::Passphrase => {
                let typed = Secret(Zeroizing::new(self.input.as_str().to_owned()));
                self.end_question();
                return Some(Action::Passphrase(Some(typed)));
            }
            Question::Quit if self.yes_or_no()? => return Some(Action::Quit),
            Question::Sure(deed) if self.yes_or_no()? => {
                if !self.fits {
                    self.again("this window is too small to show all of it: make it larger first");
                    return None;
                }
                self.end_question();
                return self.act(Action::Do(deed));
            }
            Question::Quit | Question::Sure(_) => self.end_question(),
            Question::Grant => return self.answer_grant(),
            Question::Number => return self.answer_number(),
            Question::Codes => return self.answer_codes(),
            Question::Seed => {
                self.answers.seed = Some(Secret(self.typed()));
                return self.after(&Question::Seed);
            }
            Question::Reason => {
                let (id, reason) = (self.open()?.id.clone(), self.typed().to_string());
                self.end_question();
                return self.act(Action::Deny { id, reason });
            }
            Question::Block => {
                let (id, block) = (self.open()?.id.clone(), self.yes_or_no()?);
                self.end_question();
                return block.then(|| self.act(Action::Block { id })).flatten();
            }
        }
        None
    }

    fn typed(&self) -> Zeroizing<String> {
        Zeroizing::new(self.input.trim().to_owned())
    }

    /// What was typed, or it is asked for again.
    fn yes_or_no(&mut self) -> Option<bool> {
        let answer = match self.typed().to_ascii_lowercase().as_str() {
            "y" | "yes" => Some(true),
            "n" | "no" => Some(false),
            _ => None,
        };
        if answer.is_none() {
            self.again("answer yes or no");
        }
        answer
    }

    fn answer_grant(&mut self) -> Option<Action> {
        let grant = self.yes_or_no()?;
        let request = self.open()?;
        let enrolls = request.verified.kind == countersign_mobile::RequestKind::Enroll;
        let id = request.id.clone();
        if !grant && !enrolls {
            self.end_question();
            return self.act(Action::Deny { id, reason: "not allowed to use this seed".into() });
        }
        self.answers.grant = grant;
        self.begin(Question::Number);
        None
    }

    fn answer_number(&mut self) -> Option<Action> {
        let digits = usize::from(self.open()?.digits);
        let number: String = self.typed().chars().filter(|c| !c.is_whitespace() && *c != '-').collect();
        // What is no number at all is a slip, not a guess.
        if number.len() != digits || !number.bytes().all(|byte| byte.is_ascii_digit()) {
            self.again(&format!("type the {digits} digits that the job's log shows"));
            return None;
        }
        self.answers.number = number;
        self.after(&Question::Number)
    }

    fn answer_codes(&mut self) -> Option<Action> {
        let most = self.open()?.verified.codes;
        let typed = self.typed();
        match typed.parse::<u8>() {
            _ if typed.is_empty() => self.after(&Question::Codes),
            Ok(codes) if (1..=most).contains(&codes) => {
                self.answers.codes = Some(codes);
                self.after(&Question::Codes)
            }
            _ => {
                self.again(&format!("a number from 1 to {most}"));
                None
            }
        }
    }

    /// The next question of an approval after this one, or the approval.
    fn after(&mut self, question: &Question) -> Option<Action> {
        let request = self.open()?;
        let (id, several, needs_seed) = (request.id.clone(), request.verified.codes > 1, request.needs_seed);
        if *question == Question::Number && several {
            self.begin(Question::Codes);
            return None;
        }
        if *question != Question::Seed && needs_seed {
            self.begin(Question::Seed);
            return None;
        }
        self.end_question();
        let Answers { grant, number, codes, seed } = std::mem::take(&mut self.answers);
        self.act(Action::Approve { id, number, codes, grant, seed })
    }
}
