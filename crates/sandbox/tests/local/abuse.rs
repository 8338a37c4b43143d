//! What hostile code tries against its place, its neighbours and the host. Each denial has its control.

use crate::{Ground, fresh, ground, place, scratch, sh};
use domain::SandboxId;
use domain::sandbox::{Command, ExitReason, Mount, MountMode, Provisioner, Sandbox, Workspace};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Runs a program of Python and gives what it printed.
async fn python(place: &Arc<dyn Sandbox>, program: &str) -> String {
    let output = place.exec(Command::new(["python3", "-"]).stdin(program.to_string())).await.unwrap();
    output.checked("the program").unwrap().stdout_text()
}

fn folder(ground: &Ground, name: &str) -> PathBuf {
    let path = ground.dir.path().join(name);
    std::fs::create_dir(&path).unwrap();
    path
}

/// Whether commands still run, and in time.
async fn answers(place: &Arc<dyn Sandbox>) {
    let started = Instant::now();
    assert!(place.exec(Command::new(["true"])).await.unwrap().ok());
    assert!(started.elapsed() < Duration::from_secs(1), "it answers after {:?}", started.elapsed());
}

const MAKES_FILES: &str = r#"
import ctypes, os, struct
libc = ctypes.CDLL(None, use_errno=True)
def attempt(name, act):
    try:
        act()
        print(name, 'made')
    except OSError as error:
        print(name, error.errno)
def by_number(number, *arguments):
    fd = libc.syscall(ctypes.c_long(number), *arguments)
    if fd < 0:
        raise OSError(ctypes.get_errno(), 'refused')
def nameless():
    fd = os.open('/shared', os.O_TMPFILE | os.O_WRONLY, 0o4755)
    os.link(f'/proc/self/fd/{fd}', '/shared/nameless')
attempt('control', lambda: os.open('/shared/control', os.O_CREAT | os.O_WRONLY, 0o755))
attempt('control', lambda: os.open('/shared/control', os.O_RDONLY, 0o4755))
attempt('openat', lambda: os.open('/shared/openat', os.O_CREAT | os.O_WRONLY, 0o4755))
attempt('group', lambda: os.open('/shared/group', os.O_CREAT | os.O_WRONLY, 0o2755))
attempt('both', lambda: os.open('/shared/both', os.O_CREAT | os.O_WRONLY, 0o6755))
attempt('nameless', nameless)
attempt('chmod', lambda: os.chmod('/shared/control', 0o4755))
attempt('fchmod', lambda: os.fchmod(os.open('/shared/control', os.O_WRONLY), 0o2755))
if os.uname().machine == 'x86_64':
    attempt('open', lambda: by_number(2, b'/shared/open', os.O_CREAT | os.O_WRONLY, 0o4755))
    attempt('creat', lambda: by_number(85, b'/shared/creat', 0o4755))
how = struct.pack('QQQ', os.O_CREAT | os.O_WRONLY, 0o4755, 0)
attempt('openat2', lambda: by_number(437, -100, b'/shared/openat2', how, len(how)))
"#;

#[tokio::test]
async fn no_file_from_inside_carries_its_owners_rights() {
    let ground = ground();
    let shared = folder(&ground, "shared");
    let mut spec = scratch();
    spec.mounts = vec![Mount { source: shared.clone(), target: "/shared".into(), mode: MountMode::ReadWrite }];
    let place = ground.local.create(spec).await.unwrap();
    let said = python(&place, MAKES_FILES).await;
    for line in said.lines() {
        let (name, result) = line.split_once(' ').unwrap();
        let wanted = match name {
            "control" => "made".to_string(),
            "openat2" => libc::ENOSYS.to_string(),
            _ => libc::EPERM.to_string(),
        };
        assert_eq!(result, wanted, "{line}");
    }
    // The host's view: what was made belongs to whoever the folder belongs to, and nothing of it could be run as them.
    let owner = std::fs::metadata(&shared).unwrap().uid();
    let made: Vec<_> = std::fs::read_dir(&shared).unwrap().flatten().map(|e| (e.file_name(), e.metadata().unwrap())).collect();
    assert!(made.iter().any(|(name, stat)| name == "control" && stat.uid() == owner && stat.mode() & 0o777 == 0o755), "{made:?}");
    for (name, stat) in made {
        assert_eq!(stat.mode() & 0o6000, 0, "{name:?}");
    }
}

#[tokio::test]
async fn whoever_kills_or_stops_their_shepherd_keeps_their_deadline() {
    let ground = ground();
    let place = place(&ground).await;
    let neighbour = place.spawn(Command::shell("exec sleep 4721")).await.unwrap();
    let count = |word: &'static str| {
        let place = place.clone();
        async move { sh(&place, &format!("pgrep -fxc '{word}'")).await.stdout_text().trim().to_string() }
    };
    let deadline = Instant::now() + Duration::from_secs(10);
    while count("sleep 4721").await != "1" {
        assert!(Instant::now() < deadline, "the control: it is there as soon as its shell has become it");
    }

    let line = "(setsid sleep 4722 &); sleep 4722 & kill -9 $PPID; exec sleep 4722";
    let output = place.exec(Command::shell(line).timeout(Duration::from_millis(500))).await.unwrap();
    assert_eq!(output.exit.reason, ExitReason::Signal);
    assert_eq!(count("sleep 4722").await, "0");

    let started = Instant::now();
    let line = "(setsid sleep 4722 &); kill -STOP $PPID; exit 0";
    let output = place.exec(Command::shell(line).timeout(Duration::from_millis(500))).await.unwrap();
    assert_eq!(output.exit.reason, ExitReason::Timeout);
    assert!(started.elapsed() < Duration::from_millis(2000), "{:?}", started.elapsed());
    assert_eq!(count("sleep 4722").await, "0");
    assert_eq!(count("sleep 4721").await, "1", "another command goes on");
    drop(neighbour);
}

#[tokio::test]
async fn nobody_inside_holds_the_daemon_back() {
    let ground = ground();
    let place = place(&ground).await;
    let line = "renice -n 19 -p $$ && taskset -cp 0 $$ && chrt -i -p 0 $$ && ionice -c 3 -p $$ && prlimit --nofile=100 --pid $$";
    sh(&place, line).await.checked("the control: one's own may be changed").unwrap();
    for attack in [
        "renice -n 19 -p 1",
        "renice -n 19 -u $(id -u)",
        "taskset -cp 0 1",
        "chrt -i -p 0 1",
        "ionice -c 3 -p 1",
        "prlimit --nofile=3:3 --pid 1",
        "prlimit --cpu=1:1 --pid 1",
    ] {
        assert!(!sh(&place, attack).await.ok(), "`{attack}` went well");
    }
    // Everybody busy, and as unimportant as they like: a deadline holds all the same.
    let line = "chrt -i -p 0 1; for i in $(seq 100); do (while :; do :; done) & done; wait";
    let started = Instant::now();
    let output = place.exec(Command::shell(line).timeout(Duration::from_secs(1))).await.unwrap();
    assert_eq!(output.exit.reason, ExitReason::Timeout);
    assert!(started.elapsed() < Duration::from_millis(2500), "{:?}", started.elapsed());
    answers(&place).await;
}

#[tokio::test]
async fn no_signal_from_inside_ends_the_daemon() {
    let ground = ground();
    let storm = "import os\nfor signal in (7, 11) * 3 + tuple(range(1, 65)): os.kill(1, signal)\nprint('sent')";
    // Whether two arrive in one moment is a matter of luck, so there are several places.
    for _ in 0..8 {
        let place = place(&ground).await;
        sh(&place, "sleep 60 & kill -SEGV $! && ! wait $!").await.checked("the control: signals are sent").unwrap();
        place.exec(Command::new(["sleep", "60"]).timeout(Duration::from_millis(20))).await.unwrap();
        let output = place.exec(Command::new(["python3", "-c", storm])).await.unwrap();
        assert_eq!((output.exit.reason, output.stdout_text().as_str()), (ExitReason::Exited, "sent\n"));
        answers(&place).await;
    }
}

const WATCHES: &str = "
import ctypes, sys, time
libc = ctypes.CDLL(None)
count = 0
while libc.inotify_init() >= 0: count += 1
print(count, flush=True)
if count > 1: sys.stdin.read()
";

#[tokio::test]
async fn what_the_kernel_counts_for_all_is_counted_for_each_sandbox() {
    use tokio::io::{AsyncBufReadExt, BufReader};
    let ground = ground();
    if !rustix::process::geteuid().is_root() {
        return println!("skipped: an ordinary user's sandboxes count as that user");
    }
    let (greedy, other) = (place(&ground).await, place(&ground).await);
    greedy.write_file("watch.py", WATCHES.into(), 0o644).await.unwrap();
    let mut process = greedy.spawn(Command::shell("exec python3 watch.py")).await.unwrap();
    let mut lines = BufReader::new(&mut process.stdout).lines();
    let count: u32 = lines.next_line().await.unwrap().unwrap().parse().unwrap();
    assert!(count > 1, "the control: it took what there was");
    assert_eq!(python(&greedy, WATCHES).await, "0\n", "nothing is left for itself");
    let one = "import ctypes; print(ctypes.CDLL(None).inotify_init() >= 0)";
    assert_eq!(python(&other, one).await, "True\n");
    let host = std::process::Command::new("python3").args(["-c", one]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&host.stdout), "True\n");
}

/// Calls by number, and which error each is to end with.
const FURTHER_CALLS: &str = r#"
import ctypes, errno
libc = ctypes.CDLL(None, use_errno=True)
def call(name, number, *arguments):
    ctypes.set_errno(0)
    result = libc.syscall(ctypes.c_long(number), *[a if isinstance(a, bytes) else ctypes.c_long(a) for a in arguments])
    print(name, 'ok' if result >= 0 else errno.errorcode[ctypes.get_errno()])
call('control', 39)
call('mount', 165, b'x', b'/tmp', b'tmpfs', 0, 0)
call('umount2', 166, b'/tmp', 2)
call('pivot_root', 155, b'/tmp', b'/tmp')
call('chroot', 161, b'/tmp')
call('open_tree', 428, -100, b'/tmp', 1)
call('move_mount', 429, -100, b'/tmp', -100, b'/workspace', 0)
call('mount_setattr', 442, -100, b'/usr', 0, 0, 0)
call('open_tree_attr', 467, -100, b'/tmp', 1, 0, 0)
call('setns', 308, 0, 0)
call('unshare_time', 272, 0x80)
call('clone_newpid', 56, 0x20000000 | 17, 0, 0, 0, 0)
call('process_vm_readv', 310, 1, 0, 0, 0, 0, 0)
call('process_vm_writev', 311, 1, 0, 0, 0, 0, 0)
call('kcmp', 312, 1, 1, 0, 0, 0)
call('pidfd_getfd', 438, 0, 0, 0)
call('add_key', 248, b'user', b'x', b'y', 1, -2)
call('request_key', 249, b'user', b'x', 0, 0)
call('name_to_handle_at', 303, -100, b'/', 0, 0, 0)
call('mknod_char', 133, b'/tmp/mem', 0o20666, 0x101)
call('mknodat_block', 259, -100, b'/tmp/disk', 0o60666, 0xfe00)
call('iopl', 172, 3)
call('sethostname', 170, b'x', 1)
call('clock_settime', 227, 0, 0)
call('fanotify_init', 300, 0, 0)
call('io_uring_register', 427, 0, 0, 0, 0)
call('personality_read_implies_exec', 135, 0x400000)
call('x32_open', 0x40000000 | 2, b'/etc/passwd', 0)
call('minus_one', -1)
"#;

#[tokio::test]
async fn further_ways_into_the_kernel_are_closed() {
    if !cfg!(target_arch = "x86_64") {
        return println!("skipped: the numbers are those of x86-64");
    }
    let ground = ground();
    let place = place(&ground).await;
    let said = python(&place, FURTHER_CALLS).await;
    let mut lines = said.lines();
    assert_eq!(lines.next(), Some("control ok"));
    let refused: Vec<_> = lines.collect();
    assert_eq!(refused.len(), 28, "{said}");
    for line in refused {
        assert!(line.ends_with(" EPERM"), "{line}");
    }
    let clone3 = "import ctypes; l = ctypes.CDLL(None, use_errno=True); print(l.syscall(435, 0, 0), ctypes.get_errno())";
    assert_eq!(python(&place, clone3).await, format!("-1 {}\n", libc::ENOSYS));
}

#[tokio::test]
async fn the_kernels_files_tell_nothing_and_take_nothing() {
    let ground = ground();
    let place = place(&ground).await;
    assert!(sh(&place, "grep -q Name /proc/self/status && echo 0 > /proc/self/coredump_filter").await.ok(), "the control");
    for path in [
        "/proc/kcore",
        "/proc/keys",
        "/proc/kallsyms",
        "/proc/timer_list",
        "/proc/iomem",
        "/proc/modules",
        "/proc/cmdline",
        "/proc/1/environ",
        "/proc/1/mem",
        "/proc/1/maps",
        "/proc/1/root/etc/passwd",
        "/proc/1/cwd/.",
        "/proc/1/fd/3",
        "/sys/class/dmi/id/product_uuid",
        "/dev/mem",
        "/dev/kmsg",
        "/dev/kvm",
        "/dev/fuse",
        "/dev/vda",
        "/run/docker.sock",
    ] {
        assert_eq!(sh(&place, &format!("timeout 1 head -c 1 {path} | wc -c")).await.stdout_text().trim(), "0", "{path} tells something");
    }
    let pattern = std::fs::read("/proc/sys/kernel/core_pattern").unwrap();
    for path in [
        "/proc/sys/kernel/core_pattern",
        "/proc/sys/kernel/modprobe",
        "/proc/sys/vm/drop_caches",
        "/proc/sys/net/ipv4/ip_forward",
        "/proc/sys/user/max_user_namespaces",
        "/proc/irq/default_smp_affinity",
        "/proc/sysrq-trigger",
        "/proc/self/uid_map",
        "/proc/self/setgroups",
        "/proc/1/oom_score_adj",
        "/proc/1/comm",
        "/proc/1/clear_refs",
    ] {
        let took = sh(&place, &format!("(echo 1 > {path}) 2>/dev/null")).await.ok();
        // A masked file takes what a null device takes.
        let is_null = sh(&place, &format!("test $(stat -c %t,%T {path}) = $(stat -c %t,%T /dev/null)")).await.ok();
        assert!(!took || is_null, "{path} takes something");
    }
    assert_eq!(std::fs::read("/proc/sys/kernel/core_pattern").unwrap(), pattern);
}

#[tokio::test]
async fn a_neighbour_is_out_of_reach() {
    let ground = ground();
    let (first, second) = (place(&ground).await, place(&ground).await);
    let leave = "
import os, socket, subprocess, sys, time
for path in ('/tmp/mark', '/dev/shm/mark', '/home/agent/mark', '/workspace/mark'):
    open(path, 'w').write('of the first')
named = socket.socket(socket.AF_UNIX); named.bind('\\0mark'); named.listen()
port = socket.create_server(('127.0.0.1', 4723))
import ctypes
libc = ctypes.CDLL(None)
print(libc.shmget(4723, 4096, 0o1666) >= 0, flush=True)
time.sleep(60)
";
    first.write_file("leave.py", leave.into(), 0o644).await.unwrap();
    let mut process = first.spawn(Command::shell("exec python3 leave.py")).await.unwrap();
    let mut byte = [0; 4];
    tokio::io::AsyncReadExt::read_exact(&mut process.stdout, &mut byte).await.unwrap();
    assert_eq!(&byte, b"True");
    let look = "
import ctypes, glob, os, socket
def attempt(name, act):
    try: act(); print(name, 'there')
    except OSError: print(name, 'not there')
for path in ('/tmp/mark', '/dev/shm/mark', '/home/agent/mark', '/workspace/mark'): attempt(path, lambda: os.stat(path))
attempt('named', lambda: socket.socket(socket.AF_UNIX).connect('\\0mark'))
attempt('port', lambda: socket.create_connection(('127.0.0.1', 4723), 1))
print('memory', 'there' if ctypes.CDLL(None).shmget(4723, 0, 0) >= 0 else 'not there')
mine = [p for p in glob.glob('/proc/[0-9]*/cmdline') if b'leave.py' in open(p, 'rb').read()]
print('process', 'there' if mine else 'not there')
";
    let (own, others) = (python(&first, look).await, python(&second, look).await);
    assert_eq!((own.matches(" there").count(), own.matches(" not there").count()), (8, 0), "the control: {own}");
    assert_eq!(others.matches(" not there").count(), 8, "{others}");
}

#[tokio::test]
async fn what_one_writes_over_a_shared_source_no_other_sees() {
    let ground = ground();
    let (source, layer) = (folder(&ground, "source"), folder(&ground, "layer"));
    for path in [&source, &layer] {
        std::fs::write(path.join("file"), "clean").unwrap();
    }
    let spec = |id| {
        let mut spec = scratch();
        spec.id = SandboxId(id);
        spec.workspace = Workspace::CopyOnWrite(source.clone());
        spec.mounts = vec![Mount { source: layer.clone(), target: "/layer".into(), mode: MountMode::ReadOnly }];
        spec
    };
    let first = ground.local.create(spec(fresh())).await.unwrap();
    let second = ground.local.create(spec(fresh())).await.unwrap();
    sh(&first, "echo poison > file && echo poison > new && rm -rf /tmp/x").await.checked("the control: its own copy").unwrap();
    for attack in [
        "echo poison > /layer/file",
        "ln /layer/file own && echo poison > own",
        "ln -s /layer/file link && echo poison > link",
        "mv /layer/file /layer/other",
        "chmod 777 /layer/file",
        "touch -d @0 /layer/file",
        "setfattr -n user.x -v y /layer/file || python3 -c \"import os; os.setxattr('/layer/file', 'user.x', b'y')\"",
        "truncate -s 0 /layer/file",
        "mount -o remount,rw /layer",
    ] {
        assert!(!sh(&first, attack).await.ok(), "`{attack}` went well");
    }
    // The second, which lived meanwhile, and a third, made after the first has ended, see the source as it was.
    first.terminate().await.unwrap();
    let third = ground.local.create(spec(fresh())).await.unwrap();
    for place in [&second, &third] {
        assert_eq!(sh(place, "cat file /layer/file; test ! -e new && echo .").await.stdout_text(), "cleanclean.\n");
    }
    let text = |path: &Path| std::fs::read_to_string(path.join("file")).unwrap();
    assert_eq!((text(&source), text(&layer)), ("clean".into(), "clean".into()));
}

#[tokio::test]
async fn bytes_come_out_as_they_went_in() {
    let ground = ground();
    let place = place(&ground).await;
    // Not text, no line's end, and what a terminal would take for orders.
    let output = sh(&place, r"printf '\377\000\376\033]52;c;aGk=\007\033[2J\r'").await;
    assert_eq!(output.stdout.as_ref(), b"\xff\0\xfe\x1b]52;c;aGk=\x07\x1b[2J\r");
    let output = place.exec(Command::shell("head -c 200000000 /dev/zero").output_bytes_max(4096)).await.unwrap();
    assert_eq!((output.stdout.len(), output.stdout_dropped), (4096, 200_000_000 - 4096));
}

#[tokio::test]
async fn what_is_used_up_inside_is_missing_inside() {
    let ground = ground();
    let mut spec = scratch();
    spec.limits.memory_bytes_max = 96 << 20;
    spec.limits.open_files_max = 256;
    let place = ground.local.create(spec).await.unwrap();
    let files = "
import os
held = []
try:
    while True: held.append(os.open('/dev/null', 0))
except OSError as error: print(error.errno, len(held) > 100)
";
    assert_eq!(python(&place, files).await, format!("{} True\n", libc::EMFILE));
    answers(&place).await;
    let nameless = "
import os
held = []
for _ in range(40):
    fd = os.memfd_create('x'); os.write(fd, b'x' * (8 << 20)); held.append(fd)
";
    let output = place.exec(Command::new(["python3", "-"]).stdin(nameless)).await.unwrap();
    assert_eq!(output.exit.reason, ExitReason::Oom, "{}", output.text());
    answers(&place).await;
}

#[tokio::test]
async fn a_tree_deeper_than_any_path_goes() {
    let ground = ground();
    let place = place(&ground).await;
    let deep = "
import os
for _ in range(300):
    os.mkdir('d' * 100); os.chdir('d' * 100)
os.mkdir('last'); print(len(os.getcwd()) > 4096)
";
    sh(&place, "mkdir top").await.checked("set-up").unwrap();
    let command = Command::new(["python3", "-"]).stdin(deep).cwd("/workspace/top");
    assert_eq!(place.exec(command.clone()).await.unwrap().checked("the tree").unwrap().stdout_text(), "True\n");
    place.remove("top").await.unwrap();
    assert_eq!(place.list("/workspace", 10).await.unwrap().len(), 0);
    sh(&place, "mkdir top").await.checked("set-up").unwrap();
    place.exec(command).await.unwrap().checked("the tree again").unwrap();
    let started = Instant::now();
    place.terminate().await.unwrap();
    assert!(started.elapsed() < Duration::from_secs(10));
    assert_eq!(std::fs::read_dir(ground.dir.path().join("data/sandboxes")).unwrap().count(), 0);
}
