//! `cargo run -p cost` prints what a sign-in and a month cost, and each call; with `-- --write` it stands in the README.

#![expect(clippy::print_stdout, reason = "it prints")]

use std::path::Path;
use std::{env, fs};

use cost::{Book, Stack, by_operation, count, section, with_section};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let book = Book::read(&root.join("infra/prices.json"))?;
    let stack = Stack::read(&root.join("infra/template.yaml"))?;
    let counts = count().await;
    let section = section(&book, &stack, &counts);
    if env::args().any(|argument| argument == "--write") {
        let readme = root.join("README.md");
        let text = with_section(&fs::read_to_string(&readme)?, &section);
        fs::write(&readme, text.ok_or("the README lacks the two comments")?)?;
    } else {
        println!("{section}\n\n{}", by_operation(&counts));
    }
    Ok(())
}
