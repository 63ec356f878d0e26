//! `trunkline schema`: the JSON Schema of the delivery file, for editors, and the document of the HTTP API.

use crate::exit::Exit;
use crate::globals::Globals;

/// Which one.
#[derive(clap::Args)]
pub struct Arguments {
    /// The HTTP API, as an OpenAPI 3.1 document
    #[arg(long)]
    api: bool,
}

/// Prints it.
pub fn run(arguments: &Arguments, globals: &Globals) -> anyhow::Result<Exit> {
    let schema = if arguments.api { serde_json::from_str(&trunkline_server::api_document())? } else { trunkline_delivery_file::schema() };
    globals.screen().print_json(&schema)?;
    Ok(Exit::Good)
}
