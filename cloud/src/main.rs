//! `ringside-cloud`: see `--help`.

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use data_encoding::HEXLOWER;
use ringside_cloud::cli::{self, Command};
use ringside_cloud::config::{Settings, dial};
use ringside_cloud::db::backup;
use ringside_cloud::service::Service;
use ringside_cloud::{admin, logger, version};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// How often the service is looked at, and signals are.
const LOOK_EVERY: Duration = Duration::from_millis(100);

fn main() -> ExitCode {
    let command = match cli::parse(std::env::args_os().skip(1)) {
        Ok(command) => command,
        Err(sentence) => return fail(&sentence, 2),
    };
    logger::start();
    let done = match command {
        Command::Help => say(&cli::usage()),
        Command::Version => say(&format!("{}\n", version::line())),
        Command::Admin(place, data, admin) => {
            let (mut input, mut out) = (std::io::stdin().lock(), std::io::stdout().lock());
            admin::run((&place, &data), admin, logger::now(), &mut input, &mut out)
        }
        Command::Backup(data, to) => backup::backup(&data, &to).and_then(|bytes| {
            say(&format!("{} has the database: {} KiB\n", to.display(), bytes >> 10))
        }),
        Command::Restore(data, from) => backup::restore(&data, &from).and_then(|schema| {
            say(&format!(
                "{} is in {} (schema {schema}); its certificates are in the folder tls, which is no \
                 part of a backup\n",
                from.display(),
                data.display()
            ))
        }),
        Command::Serve(settings) => serve(&settings),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(sentence) => fail(&sentence, 1),
    }
}

fn serve(settings: &Settings) -> Result<(), String> {
    // Before anything is started: a signal that comes early is not lost.
    let mut signals = Signals::new([SIGTERM, SIGINT])
        .map_err(|error| format!("signals cannot be waited for: {error}"))?;
    let service = Service::start(settings)?;
    log::info!("{} serves {}", version::line(), settings.data.display());
    say(&welcome(&service, settings))?;
    let waited = wait(&mut signals, &service);
    log::info!("ending");
    service.stop();
    waited
}

/// Until a signal comes. A service that would only seem to run ends, so that it is started again.
fn wait(signals: &mut Signals, service: &Service) -> Result<(), String> {
    while signals.pending().next().is_none() {
        if !service.is_running() {
            return Err(
                "a listener has ended by itself: start the service again, and report what its \
                        log says"
                    .to_owned(),
            );
        }
        std::thread::sleep(LOOK_EVERY);
    }
    Ok(())
}

/// Where it listens and, for a new service, what to do first.
fn welcome(service: &Service, settings: &Settings) -> String {
    let identity = &service.identity;
    let mut text = format!(
        "sensors connect to {} (listening on {})\n",
        dial(&identity.host, identity.port),
        service.sensors
    );
    text.push_str(&format!(
        "people open https://{} (listening on {})\n",
        dial(&identity.host, service.web.port()),
        service.web
    ));
    text.push_str(&match identity.ca_key_sha256 {
        [0, ..] if identity.ca_key_sha256 == [0; 32] => {
            "sensors trust the public certificate authorities\n".to_owned()
        }
        pin => format!("sensors trust the CA key with SHA-256 {}\n", HEXLOWER.encode(&pin)),
    });
    if service.is_new {
        let data = settings.data.display();
        text.push_str(&format!(
            "there is no customer yet; make the first one, and a person who can log in:\n  \
             ringside-cloud admin customer add NAME --data {data}\n  ringside-cloud admin user add \
             --customer NAME LOGIN --role admin --data {data}\n"
        ));
    }
    text
}

fn say(text: &str) -> Result<(), String> {
    let mut out = std::io::stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    written.map_err(|error| format!("nothing can be written: {error}"))
}

fn fail(sentence: &str, code: u8) -> ExitCode {
    // There is nowhere else to complain to.
    let _ = writeln!(std::io::stderr(), "ringside-cloud: {sentence}");
    ExitCode::from(code)
}
