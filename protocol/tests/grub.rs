//! The boot loader's script against [`Slots::start`], in every state that the variables can have.
//!
//! GRUB's language is close enough to a shell's that bash runs the text itself, with `set`,
//! `load_env` and `save_env` in GRUB's meaning. That real GRUB does the same is for the image tests.

use std::io::Write;
use std::process::{Command, Stdio};

use ringside_protocol::slot::{GRUB_CHOICE, MAX_TRIES, Slots};

/// GRUB's commands; `FILE` of the blocks is the name of a shell variable that holds the lines.
const COMMANDS: &str = r#"
set() { local a; for a; do printf -v "${a%%=*}" %s "${a#*=}"; done; }
load_env() {
  local file="$2" line; shift 2
  while read -r line; do
    case " $* " in *" ${line%%=*} "*) printf -v "${line%%=*}" %s "${line#*=}" ;; esac
  done <<<"${!file}"
}
save_env() {
  local file="$2" name text=; shift 2
  for name; do text+="$name=${!name}"$'\n'; done
  printf -v "$file" %s "$text"
}
env_1=block_1 env_2=block_2
"#;

fn every_state() -> Vec<String> {
    let mut states = Vec::new();
    for order in ["A", "B", "A B", "B A"] {
        for marks in 0..4 * 16u32 {
            let [a_ok, b_ok] = [marks & 1, marks >> 1 & 1];
            let [a_try, b_try] = [marks >> 2 & 3, marks >> 4 & 3];
            states.push(format!(
                "ORDER={order}\nA_OK={a_ok}\nA_TRY={a_try}\nB_OK={b_ok}\nB_TRY={b_try}\nTRIAL=-\n\
                 RINGSIDE=1\n"
            ));
        }
    }
    states
}

/// Runs the script once for each pair of blocks; gives what it chose and both blocks afterwards.
fn choose(pairs: &[(String, String)]) -> Vec<String> {
    let mut script = format!("{COMMANDS}\nchoose() {{\n{GRUB_CHOICE}\n}}\n");
    for (first, second) in pairs {
        script += &format!(
            "block_1='{first}'\nblock_2='{second}'\nunset ORDER A_OK A_TRY B_OK B_TRY TRIAL\nchoose\n"
        );
        script += "printf '%s,%s\\n%s%s\\0' \"$slot\" \"$second\" \"$block_1\" \"$block_2\"\n";
    }
    let mut bash = Command::new("bash")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("bash is there");
    let mut stdin = bash.stdin.take().expect("piped");
    let writer = std::thread::spawn(move || stdin.write_all(script.as_bytes()));
    let output = bash.wait_with_output().expect("it ends");
    writer.join().expect("no panic").expect("it reads");
    let text = String::from_utf8(output.stdout).expect("text");
    text.split_terminator('\0').map(str::to_owned).collect()
}

fn expected(mut slots: Slots) -> String {
    let slot = slots.start();
    let second = slots.order().find(|&other| other != slot).map_or("", |other| other.name());
    let text = slots.to_text();
    format!("{slot},{second}\n{text}{text}")
}

#[test]
fn the_loader_s_script_chooses_as_the_machine_does() {
    assert!(GRUB_CHOICE.contains(&format!("-lt {MAX_TRIES} ]")));
    let states = every_state();
    let other = Slots::fresh().to_text();
    let mut pairs = Vec::new();
    let mut wanted = Vec::new();
    for state in &states {
        let slots = Slots::from_text(state).expect("a possible state");
        // The first that is whole holds, whatever the second says.
        for second in [state.as_str(), &other, "", "damaged"] {
            pairs.push((state.clone(), second.to_owned()));
            wanted.push(expected(slots));
        }
        let (half, _) = state.split_at(20);
        pairs.push((half.to_owned(), state.clone()));
        wanted.push(expected(slots));
    }
    pairs.push((String::new(), "ORDER=B\n".to_owned()));
    wanted.push(expected(Slots::default()));
    let found = choose(&pairs);
    assert_eq!(found.len(), wanted.len());
    for ((pair, found), wanted) in pairs.iter().zip(&found).zip(&wanted) {
        assert_eq!(found, wanted, "{pair:?}");
    }
}
