//! `mooring client …`: who may use a license server outside Kubernetes, said by tokens that a
//! *client key* signs.
//!
//! | module | what it holds |
//! |---|---|
//! | [`issue`] | a token for one subject and one license server |
//! | [`inspect`] | what a token says, and whether it holds |
//!
//! Works offline. The server's configuration names the public halves of the client keys
//! (`clients.keys`) and the list of revoked ones (`clients.revoked`).

pub mod inspect;
pub mod issue;

use crate::license::keygen;
use clap::Subcommand;
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
pub enum ClientCommand {
    /// Make a client key (Ed25519), and print the public half for the server's clients.keys
    Keygen(ClientKeygenArgs),
    /// Issue a client token: one subject, one license server, until a date
    Issue(issue::IssueTokenArgs),
    /// Print what a client token says, and whether a client key signed it
    Inspect(inspect::InspectTokenArgs),
}

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Whoever has the private key can make tokens for anybody: keep it where only administrators are, not on the
license server. Several keys can be in force at once, so that they can be replaced one by one.

Examples:
  mooring client keygen --out client.key > /etc/mooring/client-keys
  mooring client keygen --out client.key -o json | jq -r .publicKey"
)]
pub struct ClientKeygenArgs {
    /// The file for the private key (PKCS#8 PEM, mode 0600); never overwritten
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// How to print the public key; as text it is a line for the server's clients.keys
    #[arg(short, long, value_enum, default_value_t)]
    output: crate::output::Form,
}

pub fn run(command: ClientCommand) -> anyhow::Result<()> {
    match command {
        ClientCommand::Keygen(a) => {
            let key = keygen::make(&a.out)?;
            let out = a.out.display();
            eprintln!("Private key written to {out} (mode 0600). It signs client tokens.");
            keygen::print(a.output, &key, || format!("{key}\n"))
        }
        ClientCommand::Issue(a) => issue::run(a),
        ClientCommand::Inspect(a) => inspect::run(&a),
    }
}
