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
    serve(BufReader::new(stdin()), BufWriter::new(stdout()))?;
    Ok(())
}
