//! `mooring-test-card`: makes a virtual PIV card and puts it into a virtual reader.

use anyhow::{Context as _, Result};
use clap::{Parser, Subcommand};
use mooring_test_card::personal::Made;
use mooring_test_card::piv::{Card, WrongPin};
use mooring_test_card::store::Store;
use std::net::TcpStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// A virtual PIV card for the tests. Ending `insert` is pulling the card out; SIGSTOP is a card
/// that hangs.
#[derive(Parser)]
#[command(version)]
struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Makes a card in a folder and prints its public keys.
    Make {
        /// The folder.
        #[arg(long)]
        card: PathBuf,
        /// The holder's name, by which OpenSC names the token.
        #[arg(long, default_value = "mooring")]
        name: String,
        /// The PIN: six to eight digits.
        #[arg(long, default_value = "123456")]
        pin: String,
        /// How often a wrong PIN may be tried before the card is locked.
        #[arg(long, default_value_t = 3)]
        tries: u8,
    },
    /// Puts the card into a reader of vpcd, and leaves it there until this process ends.
    Insert {
        /// The folder.
        #[arg(long)]
        card: PathBuf,
        /// Where vpcd listens.
        #[arg(long, default_value = "127.0.0.1:35963")]
        vpcd: String,
        /// How a wrong PIN is reported.
        #[arg(long, value_enum, default_value_t)]
        wrong_pin: WrongPin,
        /// How many seconds to wait for vpcd.
        #[arg(long, default_value_t = 10)]
        patience: u64,
        /// Pull the card out when standard input ends, too: with whoever holds the other end.
        #[arg(long)]
        until_eof: bool,
    },
}

fn main() -> Result<()> {
    match Args::parse().what {
        What::Make {
            card,
            name,
            pin,
            tries,
        } => {
            let made = Made::new(&name, &pin, tries)?;
            Store::at(card).create(&made)?;
            println!("9a {}\n9e {}", made.authentication.public, made.card.public);
            Ok(())
        }
        What::Insert {
            card,
            vpcd,
            wrong_pin,
            patience,
            until_eof,
        } => {
            if until_eof {
                std::thread::spawn(|| {
                    let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
                    std::process::exit(0);
                });
            }
            let store = Store::at(card);
            let card = Card::new(store.made()?.personal()?, store.memory()?, wrong_pin);
            let stream = connect(&vpcd, Duration::from_secs(patience))?;
            serve(stream, InReader { card, store })
        }
    }
}

fn connect(vpcd: &str, patience: Duration) -> Result<TcpStream> {
    let begin = Instant::now();
    loop {
        match TcpStream::connect(vpcd) {
            Ok(s) => return Ok(s),
            Err(e) if begin.elapsed() > patience => {
                return Err(e).with_context(|| {
                    format!("--vpcd {vpcd}: nobody listens; is pcscd running with vpcd's reader?")
                });
            }
            Err(_) => std::thread::sleep(Duration::from_millis(20)),
        }
    }
}

/// Answers the reader until it hangs up.
fn serve(stream: TcpStream, mut card: InReader) -> Result<()> {
    stream.set_nodelay(true)?;
    let socket = stream.try_clone()?;
    let mut connection = vpicc::Connection::from(stream);
    card.store.log("inserted")?;
    loop {
        // vpcd writes length and command apart, the second waiting for the first's acknowledgement.
        rustix::net::sockopt::set_tcp_quickack(&socket, true)?;
        connection.poll(&mut card).context("the reader is gone")?;
    }
}

struct InReader {
    card: Card,
    store: Store,
}

impl vpicc::VSmartCard for InReader {
    fn power_on(&mut self) {
        self.card.reset();
    }

    fn power_off(&mut self) {
        self.card.reset();
    }

    fn reset(&mut self) {
        self.card.reset();
    }

    fn execute(&mut self, command: &[u8]) -> Vec<u8> {
        let before = self.card.memory.clone();
        let answer = self.card.respond(command);
        let after = &self.card.memory;
        if *after != before {
            let what = if after.logins == before.logins {
                "signature"
            } else if after.refused == before.refused {
                "login: right"
            } else {
                "login: refused"
            };
            let kept = self.store.remember(after);
            if let Err(e) = kept.and_then(|()| self.store.log(what)) {
                // A card that cannot count must not answer: the tests believe its counters.
                eprintln!("the card's memory: {e:#}");
                std::process::exit(1);
            }
        }
        answer
    }
}
