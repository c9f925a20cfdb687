//! The binary `stoa`.

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    use_small_pages();
    server::cli::main()
}

/// The allocator asks for huge pages, and then each thread's few kilobytes take 2 MiB: two thirds of an idle server's memory.
/// Before anything of size is allocated. A kernel that refuses costs memory and nothing else.
fn use_small_pages() {
    #[cfg(target_os = "linux")]
    let _ = rustix::thread::disable_transparent_huge_pages(true);
}
