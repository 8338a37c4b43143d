//! The init program on its own, for tests, whose binaries cannot start themselves again as one.

fn main() {
    sandbox::init_if_asked();
    eprintln!("this program only builds sandboxes for a server that starts it");
    std::process::exit(2);
}
