//! What `countersign setup` knows: [`plan`] decides what comes next and [`place`] what a CI wants to read, both without I/O; [`look`] sees
//! what is there, [`talk`] asks the human, [`git`] and [`store`] run other programs.

pub(crate) mod git;
pub(crate) mod look;
pub(crate) mod place;
pub(crate) mod plan;
pub(crate) mod store;
pub(crate) mod talk;
