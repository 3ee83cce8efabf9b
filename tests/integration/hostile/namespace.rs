//! A network of one's own, in which every address is this machine.
//!
//! The test starts itself again inside: `unshare` gives the namespaces, `ip` the routes, and files
//! for the resolver are laid over the system's, which only the inside sees.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;

use super::dns;

/// Set inside.
const INSIDE: &str = "REGCRED_TEST_INSIDE_NAMESPACE";

/// `$1` is the folder with the resolver's files, the rest is run.
const SCRIPT: &str = r#"
ip=${REGCRED_IP:-ip}
"$ip" link set lo up
"$ip" route add local 0.0.0.0/0 dev lo
"$ip" -6 route add local ::/0 dev lo
for file in resolv.conf hosts nsswitch.conf; do
  [ ! -e "/etc/$file" ] || mount --bind "$1/$file" "/etc/$file"
done
# a cache of names listens on a socket of the file system, beyond our network
[ ! -d /run/nscd ] || mount -t tmpfs none /run/nscd
shift
exec "$@"
"#;

/// Runs `test` in namespaces of its own; `name` is the full name of the test that calls.
///
/// # Panics
/// When there can be none, or when the test fails inside: never is it left out.
pub(super) fn inside(name: &str, test: impl Future<Output = ()>) {
    if std::env::var_os(INSIDE).is_some() {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build();
        return runtime.unwrap().block_on(test);
    }
    let folder = tempfile::tempdir().unwrap();
    write_files(folder.path());
    let ended = unshare()
        .args(["sh", "-euc", SCRIPT, "sh"])
        .arg(folder.path())
        .arg(std::env::current_exe().unwrap())
        .args([name, "--exact", "--nocapture"])
        .env(INSIDE, "1")
        .output()
        .expect("`unshare` of util-linux is there");
    let said = [ended.stdout, ended.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(
        said.contains("running 1 test"),
        "this test needs network and mount namespaces, and `ip` of iproute2: run it as root, or \
         where users may have namespaces:\n{said}"
    );
    assert!(
        ended.status.success() && said.contains("1 passed"),
        "{name} failed in its namespace:\n{said}"
    );
}

/// Root makes namespaces; anybody else becomes root of one first, where the system lets them.
fn unshare() -> Command {
    let mut command = Command::new("unshare");
    command.args(["--net", "--mount"]);
    let is_root = fs::metadata("/proc/self").is_ok_and(|me| me.uid() == 0);
    if !is_root {
        command.args(["--user", "--map-root-user"]);
    }
    command.arg("--");
    command
}

fn write_files(folder: &Path) {
    let resolver = format!(
        "nameserver {}\noptions timeout:2 attempts:2\n",
        dns::ADDRESS
    );
    let files = [
        ("resolv.conf", &*resolver),
        (
            "hosts",
            "127.0.0.1 localhost\n::1 localhost\n10.9.9.9 hosts-file.test\n",
        ),
        ("nsswitch.conf", "hosts: files dns\n"),
    ];
    for (name, content) in files {
        fs::write(folder.join(name), content).unwrap();
    }
}
