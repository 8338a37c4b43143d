//! What must not be possible inside. Each denial has its control: the same act where it is allowed.

use crate::{ground, place, scratch, sh};
use domain::sandbox::{Command, ExitReason, Provisioner};
use std::net::TcpListener;
use std::time::{Duration, Instant};

#[tokio::test]
async fn the_hosts_files_are_not_there() {
    let ground = ground();
    let secret = ground.dir.path().join("data").join("secret");
    std::fs::write(&secret, "x").unwrap();
    let place = place(&ground).await;
    let seen_by_host = ["/etc/shadow", "/root", "/home", "/var/lib", "/run", &secret.display().to_string()]
        .map(|path| (path.to_string(), std::fs::symlink_metadata(path).is_ok()));
    assert!(seen_by_host[0].1 && seen_by_host[1].1 && seen_by_host[5].1, "the control: the host has them");
    for path in
        ["/etc/shadow", &seen_by_host[5].0, "/root/.bashrc", "/root/.cargo", "/var/lib", "/sys/kernel", "/opt/x", "/etc/hostname.bak"]
    {
        assert!(!sh(&place, &format!("test -e {path}")).await.ok(), "{path} is visible");
    }
    // Homes hold nothing but what was put there.
    assert_eq!(sh(&place, "ls /home").await.stdout_text(), "agent\n");
    assert!(!sh(&place, "ls -A /root | grep -v -e .pyenv -e .rustup -e .nvm").await.ok());
    assert!(sh(&place, "test -e /etc/passwd && test -d /usr/bin").await.ok(), "the control: what is bound is there");
    for target in ["/usr/x", "/etc/x", "/x", "/bin/x", "/dev/x"] {
        assert!(!sh(&place, &format!("touch {target}")).await.ok(), "{target} was written");
    }
    for target in ["/workspace/x", "/tmp/x", "/home/agent/x", "/dev/shm/x"] {
        assert!(sh(&place, &format!("touch {target}")).await.ok(), "{target} was not written");
    }
}

#[tokio::test]
async fn there_is_no_network() {
    let ground = ground();
    let place = place(&ground).await;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let connect = |host: &str, port: u16| format!("python3 -c \"import socket; socket.create_connection(('{host}', {port}), 2)\"");
    let control = std::process::Command::new("sh").arg("-c").arg(connect("127.0.0.1", port)).status().unwrap();
    assert!(control.success(), "the control: the host reaches its own listener");
    let attack = sh(&place, &connect("127.0.0.1", port)).await;
    assert!(attack.text().contains("ConnectionRefused"), "{}", attack.text());
    let attack = sh(&place, &connect("1.1.1.1", 53)).await;
    assert!(attack.text().contains("unreachable"), "{}", attack.text());
    assert_eq!(sh(&place, "tail -n +3 /proc/net/dev | cut -d: -f1").await.stdout_text().trim(), "lo");
    // Inside, loopback works.
    let inside = "python3 -c \"import socket; l=socket.create_server(('127.0.0.1', 0)); socket.create_connection(l.getsockname(), 2)\"";
    sh(&place, inside).await.checked("loopback inside").unwrap();
}

#[tokio::test]
async fn rights_cannot_be_had() {
    let ground = ground();
    let place = place(&ground).await;
    let attacks = [
        "mount -t tmpfs x /tmp",
        "mount --bind /usr /tmp",
        "unshare -U true",
        "unshare -r true",
        "unshare -n true",
        "chroot / true",
        "nsenter -t 1 -m true",
        "mknod /tmp/null c 1 3",
        "chmod u+s /workspace/prog",
        "chmod g+s /workspace/prog",
        "chown 0 /workspace/prog",
        "hostname evil",
        "echo 1 > /proc/sys/kernel/hostname",
        "echo x > /proc/sys/kernel/core_pattern",
        "echo b > /proc/sysrq-trigger",
        "cat /proc/1/environ",
        "ls /proc/1/fd",
        "cat /proc/1/mem",
        "setpriv --reuid 0 true",
        "date -s 2001-01-01",
        "dmesg",
        "cat /proc/kcore | head -c 1 | grep .",
        "su -c true",
        "ip link add dummy0 type dummy",
        "kill -9 1 && sleep 0.2 && ! kill -0 1",
    ];
    sh(&place, "cp /bin/true prog && chmod u+x prog && ./prog").await.checked("the control").unwrap();
    for attack in attacks {
        assert!(!sh(&place, attack).await.ok(), "`{attack}` went well");
    }
    let status = sh(&place, "grep -E '^(Cap|NoNewPrivs|Seccomp:)' /proc/self/status").await.stdout_text();
    for line in status.lines() {
        let value = line.split_once(':').unwrap().1.trim();
        let wanted = if line.starts_with("Cap") {
            "0000000000000000"
        } else if line.starts_with("Seccomp") {
            "2"
        } else {
            "1"
        };
        assert_eq!(value, wanted, "{line}");
    }
    assert!(place.exec(Command::new(["true"])).await.unwrap().ok());
}

/// Calls by number, first as a control where it makes sense, and prints the error of each.
const CALLS: &str = r#"
import ctypes, errno, os, socket
libc = ctypes.CDLL(None, use_errno=True)
def call(name, number, *args):
    ctypes.set_errno(0)
    result = libc.syscall(ctypes.c_long(number), *[ctypes.c_long(a) for a in args])
    print(name, 'ok' if result >= 0 else errno.errorcode[ctypes.get_errno()])
call('control', 39)
call('io_uring_setup', 425, 1, 0)
call('bpf', 321, 0, 0, 0)
call('perf_event_open', 298, 0, 0, 0, 0, 0)
call('userfaultfd', 323, 0)
call('keyctl', 250, 0, 0, 0)
call('open_by_handle_at', 304, 0, 0, 0)
call('ptrace', 101, 0, 0, 0, 0)
call('clone_newuser', 56, 0x10000000 | 17, 0, 0, 0, 0)
call('clone_newnet', 56, 0x40000000 | 17, 0, 0, 0, 0)
call('fsopen', 430, 0, 0)
call('x32_getpid', 0x40000000 | 39)
for family, kind in [('AF_ALG', 5), ('AF_PACKET', 3), ('AF_VSOCK', 1), ('AF_TIPC', 1), ('AF_XDP', 3)]:
    try:
        socket.socket({'AF_XDP': 44}.get(family) or getattr(socket, family), kind); print(family, 'ok')
    except OSError as e:
        print(family, errno.errorcode[e.errno])
try:
    socket.socket(socket.AF_INET, socket.SOCK_RAW, 1); print('raw', 'ok')
except OSError as e:
    print('raw', errno.errorcode[e.errno])
"#;

#[tokio::test]
async fn dangerous_calls_are_refused_under_every_numbering() {
    let ground = ground();
    let place = place(&ground).await;
    let output = place.exec(Command::new(["python3", "-"]).stdin(CALLS)).await.unwrap().checked("the calls").unwrap();
    let text = output.stdout_text();
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("control ok"));
    let mut count = 0;
    for line in lines {
        assert!(line.ends_with(" EPERM"), "{line}");
        count += 1;
    }
    assert_eq!(count, 17, "{text}");

    // The 32-bit door into the kernel: a program that asks for its own number and exits with success.
    let code = "int main(void) { int r; __asm__ volatile (\"int $0x80\" : \"=a\"(r) : \"a\"(20)); return r > 0 ? 0 : 1; }";
    let program = ground.dir.path().join("prog");
    let source = ground.dir.path().join("prog.c");
    std::fs::write(&source, code).unwrap();
    let built = std::process::Command::new("cc").arg("-o").arg(&program).arg(&source).status();
    if !built.is_ok_and(|status| status.success()) || !std::process::Command::new(&program).status().unwrap().success() {
        return println!("skipped: this host has no C compiler or no 32-bit calls, so there is nothing to refuse");
    }
    place.write_file("prog", std::fs::read(&program).unwrap().into(), 0o755).await.unwrap();
    let output = sh(&place, "./prog").await;
    assert!(!output.ok() && output.exit.code >= 128, "a 32-bit call went through: {:?}", output.exit);
}

#[tokio::test]
async fn a_fork_bomb_meets_a_wall_and_its_place_still_answers() {
    let ground = ground();
    let mut spec = scratch();
    spec.limits.processes_max = 64;
    let place = ground.local.create(spec).await.unwrap();
    // Each of its children stays, so that it can be counted at the wall, and beats against it as long as it lives.
    let bomb = place.spawn(Command::shell("while :; do (while :; do sleep 60 & sleep 0.1; done) & done")).await.unwrap();
    let mut most = 0;
    let mut until = Instant::now() + Duration::from_secs(60);
    let mut is_near = false;
    while Instant::now() < until {
        most = most.max(place.usage().await.unwrap().processes);
        if most >= 40 && !is_near {
            is_near = true;
            until = Instant::now() + Duration::from_secs(2);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!((40..=64).contains(&most), "{most} processes");
    place.write_file("still", "here".into(), 0o644).await.unwrap();
    drop(bomb);
    let started = Instant::now();
    place.terminate().await.unwrap();
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
}

#[tokio::test]
async fn memory_beyond_the_limit_is_not_had_and_the_place_survives() {
    let ground = ground();
    let mut spec = scratch();
    spec.limits.memory_bytes_max = 96 << 20;
    let place = ground.local.create(spec).await.unwrap();
    let take = |mib: u32| Command::new(["python3".to_string(), "-c".into(), format!("x = b'x' * ({mib} << 20); print(len(x))")]);
    assert!(place.exec(take(32)).await.unwrap().ok(), "the control");
    let output = place.exec(take(300)).await.unwrap();
    assert_eq!(output.exit.reason, ExitReason::Oom, "{}", output.text());
    // Files in memory count too.
    let output = sh(&place, "head -c 300m /dev/zero > /dev/shm/big; head -c 300m /dev/zero > /tmp/big").await;
    assert!(!output.ok());
    assert!(sh(&place, "rm -f /dev/shm/big /tmp/big; echo alive").await.stdout_text().contains("alive"));
    assert!(place.usage().await.unwrap().memory_bytes <= 96 << 20);
}

#[tokio::test]
async fn the_card_says_what_was_measured() {
    let ground = ground();
    let cards = ground.local.guarantees().await;
    for card in &cards {
        println!("{:?} {} ({})", card.state, card.promise, card.detail);
    }
    assert_eq!(cards.len(), 10);
    assert_eq!(place(&ground).await.guarantees(), cards);
}

#[tokio::test]
async fn a_socket_of_the_hosts_abstract_names_is_not_reached() {
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
    let ground = ground();
    let place = place(&ground).await;
    let name = format!("sandbox-test-{}", place.id());
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    let listener = UnixListener::bind_addr(&address).unwrap();
    UnixStream::connect_addr(&address).unwrap();
    listener.accept().unwrap();
    listener.set_nonblocking(true).unwrap();
    let connect = format!("python3 -c \"import socket; socket.socket(socket.AF_UNIX).connect('\\0{name}')\"");
    let output = sh(&place, &connect).await;
    assert!(output.text().contains("ConnectionRefused"), "{}", output.text());
    assert!(listener.accept().is_err(), "the listener saw somebody");
}

#[tokio::test]
async fn the_dead_are_buried() {
    let ground = ground();
    let mut spec = scratch();
    spec.limits.processes_max = 300;
    let place = ground.local.create(spec).await.unwrap();
    // Two hundred children that nobody waits for, and then their parent goes.
    let line =
        "import os, time\nfor _ in range(200):\n    if os.fork() == 0: os._exit(0)\ntime.sleep(0.2)\nprint(open('/proc/loadavg').read())";
    place.exec(Command::new(["python3", "-c", line])).await.unwrap().checked("two hundred children").unwrap();
    let deadline = Instant::now() + Duration::from_secs(1);
    while place.usage().await.unwrap().processes > 3 {
        assert!(Instant::now() < deadline, "{:?}", place.usage().await);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
