//! Several switches in virtual time, with a NATS between them that loses messages.

mod chaos;
mod counts;
mod lifecycle;
mod loss;
mod meet;
mod net;
