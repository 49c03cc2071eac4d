//! `shotlens worker`

use std::io::{BufReader, BufWriter, IsTerminal as _, stdin, stdout};

use anyhow::{Result, ensure};

use crate::engine::remote::serve;

/// Serves another Shotlens over standard input and output until it hangs up.
pub(super) fn run() -> Result<()> {
    ensure!(
        !stdin().is_terminal(),
        "this is for another Shotlens to start, which is told so by --worker: it reads requests on its standard input, not keys"
    );
    end_with_a_panic();
    serve(BufReader::new(stdin()), BufWriter::new(stdout()))?;
    Ok(())
}

/// Ends the process where one of its threads panics: others may wait for requests for ever, and nobody would hear of it.
fn end_with_a_panic() {
    let told = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        told(panic);
        std::process::exit(101);
    }));
}
