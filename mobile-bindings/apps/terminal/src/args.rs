//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// A Countersign authenticator in the terminal: holds the key that opens sealed seeds, and asks you before a job gets a code.
#[derive(Parser)]
#[command(
    name = "countersign-phone",
    version,
    after_help = "Examples:\n  countersign-phone init --name laptop-at-home\n  countersign-phone pair COUNTERSIGN-PAIR-1...\n  countersign-phone run"
)]
pub(crate) struct Args {
    /// Where the state is kept [default: $COUNTERSIGN_PHONE_STATE, else $XDG_STATE_HOME/countersign-phone, else ~/.local/state/countersign-phone]
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) state: Option<PathBuf>,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Set this authenticator up: makes its keys and asks for a passphrase
    ///
    /// The passphrase, 12 characters at least, protects the key that opens seeds (age, scrypt with 2^15 rounds) and is asked for at every approval.
    #[command(after_help = "Example:\n  countersign-phone init --name laptop-at-home")]
    Init {
        /// What laptops call this authenticator; 64 characters at most
        #[arg(long, default_value = "terminal")]
        name: String,
    },
    /// Pair with a laptop that runs `countersign pair`; prints the six digits to type there
    #[command(after_help = "Examples:\n  countersign-phone pair COUNTERSIGN-PAIR-1...\n  countersign-phone pair - < code.txt")]
    Pair {
        /// The text under the QR code, or - to read it from standard input, of one line or several
        text: String,
    },
    /// Wait for requests and ask about each one
    ///
    /// On a terminal it fills the screen: requests, what is known and what is only claimed of each, seeds, pairings and their rights, history, connections; by keyboard alone. Elsewhere, with
    /// --plain and with --once it writes lines and asks, in this order and only where it applies: whether the pairing may use the seed from now on (yes or no), the number that the job's log
    /// shows, how many codes, the otpauth URI, the passphrase. Every question but the passphrase can be answered with: deny [REASON]. What is in the way (a full disk, a
    /// missing key) is told, and an empty line tries again.
    #[command(after_help = "Examples:\n  countersign-phone run\n  countersign-phone run --once")]
    Run {
        /// End after one request was answered and the job has said what became of it
        #[arg(long)]
        once: bool,
        /// Lines and questions instead of the whole screen
        #[arg(long)]
        plain: bool,
    },
    /// Seal seeds: from an otpauth URI, an export of Google Authenticator or a picture of their QR code; prints the sealed texts for countersign.toml
    ///
    /// Asks for the text of the QR code, otpauth://totp/... or otpauth-migration://..., unless --picture is given; then for the passphrase. An export may hold several accounts: on a terminal it asks which, else it seals all
    /// but those that --only leaves out. Accounts that can't be sealed are named with the reason. A large export has several QR codes: seal each.
    #[command(after_help = "Examples:\n  countersign-phone enroll\n  countersign-phone enroll --picture screenshot.png\n  \
                      countersign-phone enroll --only ACME:release --recipient age1... < export-and-passphrase.txt")]
    Enroll {
        /// A PNG or JPEG that shows the QR code, instead of its text; - reads it from standard input, and asks for the passphrase on the terminal
        #[arg(long, value_name = "FILE")]
        picture: Option<PathBuf>,
        /// Only this account of an export; may be repeated
        #[arg(long, value_name = "LABEL")]
        only: Vec<String>,
        /// Who else can open it, such as a second phone or a recovery key; may be repeated
        #[arg(long, value_name = "AGE1...")]
        recipient: Vec<String>,
    },
    /// Add seeds that another phone sealed for this one too
    #[command(after_help = "Examples:\n  countersign-phone import countersign.toml\n  countersign-phone import - < sealed.txt")]
    Import {
        /// A countersign.toml or a file with one sealed text; - reads one line of standard input
        file: PathBuf,
    },
    /// Trust seeds that another phone signed
    #[command(after_help = "Example:\n  countersign-phone trust $(other-phone's signer, from its `identity`)")]
    Trust {
        /// The other phone's signer
        #[arg(allow_hyphen_values = true)]
        signer: String,
    },
    /// Print this authenticator's name, recipient and signer
    #[command(after_help = "Example:\n  countersign-phone identity")]
    Identity,
    /// List the seeds: id, label, when sealed, whether used
    #[command(after_help = "Example:\n  countersign-phone seeds")]
    Seeds,
    /// List the pairings: id, name, relay, seeds allowed (+) and denied (-), wake-ups
    #[command(after_help = "Example:\n  countersign-phone pairings")]
    Pairings,
    /// Allow a pairing the use of a seed, or deny it
    #[command(
        after_help = "Examples:\n  countersign-phone allow acme/widget ACME:release\n  countersign-phone allow acme/widget ACME:release --deny"
    )]
    Allow {
        /// Name of the pairing, or the beginning of its id
        pairing: String,
        /// Label of the seed, or the beginning of its id
        seed: String,
        /// Deny instead: requests are turned away without asking
        #[arg(long)]
        deny: bool,
    },
    /// Take a pairing back: its requests are refused from now on
    #[command(after_help = "Example:\n  countersign-phone revoke acme/widget")]
    Revoke {
        /// Name of the pairing, or the beginning of its id
        pairing: String,
    },
    /// Let relays wake this authenticator by push messages (Web Push, UnifiedPush, ntfy) while it is not running
    ///
    /// FILE holds the address: one line with an https URL, such as an ntfy topic of yours, or a subscription as JSON, {"endpoint": ..., "keys": {"p256dh": ..., "auth":
    /// ...}}. It is a secret: whoever has it can wake you. Afterwards run `countersign renew` on each laptop while this authenticator runs. What arrives is the same for
    /// every request and says nothing; let it start `countersign-phone run --once`.
    #[command(
        after_help = "Examples:\n  echo https://ntfy.sh/SOME-LONG-RANDOM-NAME?up=1 | countersign-phone wake-up -\n  ntfy subscribe SOME-LONG-RANDOM-NAME \
                      'countersign-phone run --once'\n  countersign-phone wake-up --key --relay wss://relay.example.org\n  countersign-phone wake-up --off"
    )]
    WakeUp {
        /// A file with the address; - reads one line of standard input
        #[arg(required_unless_present_any = ["off", "key"])]
        file: Option<PathBuf>,
        /// Let nobody wake it any more
        #[arg(long, conflicts_with = "file")]
        off: bool,
        /// Print the key that the relay signs with (VAPID): some push services want it first
        #[arg(long, conflicts_with_all = ["file", "off"], requires = "relay")]
        key: bool,
        /// Only this relay; else every relay that was not given an address of its own
        #[arg(long, value_name = "URL")]
        relay: Option<String>,
    },
    /// Take a seed off this authenticator: requests for it are refused from now on
    #[command(after_help = "Example:\n  countersign-phone remove ACME:release")]
    Remove {
        /// Label of the seed, or the beginning of its id
        seed: String,
    },
    /// Write everything that another authenticator needs to take this one's place, encrypted with a passphrase (`age -d` opens it too)
    ///
    /// Whoever has the file and its passphrase can answer in your place; without the unlock key they can open no seed.
    #[command(after_help = "Example:\n  countersign-phone backup phone.age")]
    Backup {
        /// The file; there must be none of this name yet
        file: PathBuf,
        /// Leave the key that opens seeds out
        #[arg(long)]
        without_unlock_key: bool,
        /// Back up what is there although the list of seeds or of pairings was damaged, and go on with that: no command warns of it any more
        #[arg(long)]
        anyway: bool,
    },
    /// Set this authenticator up in the place of the one that made a backup, which must not be used any more
    ///
    /// Asks for the passphrase of the backup, then, if the key that opens seeds is in it, for a new one of 12 characters at least, asked for at every approval. The state folder must hold no authenticator.
    #[command(after_help = "Example:\n  countersign-phone restore phone.age")]
    Restore {
        /// What `backup` has written
        file: PathBuf,
    },
    /// Bring the key that opens seeds back out of a backup of this authenticator
    #[command(name = "restore-key", after_help = "Example:\n  countersign-phone restore-key phone.age")]
    RestoreKey {
        /// What `backup` has written
        file: PathBuf,
    },
    /// List what happened: time, outcome, pairing, seed, codes, reason (unverified)
    #[command(after_help = "Example:\n  countersign-phone history")]
    History,
}
