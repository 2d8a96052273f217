//! The parts of a request, and the rules by which a call chain belongs to one.

use super::perf::{Frame, Sample};

/// A part of a request; the order is that of the table.
#[derive(Clone, Copy, PartialEq, Eq, Debug, PartialOrd, Ord)]
pub(super) enum Part {
    ClientNetwork,
    DatabaseNetwork,
    Disk,
    Http,
    Parse,
    Facts,
    Rule,
    Crypto,
    Store,
    Postgres,
    Serialise,
    Allocator,
    Runtime,
    Other,
}

/// Every part and its name.
pub(super) const PARTS: &[(Part, &str)] = &[
    (Part::ClientNetwork, "kernel: network to the client"),
    (Part::DatabaseNetwork, "kernel: network to the database"),
    (Part::Disk, "kernel: files and fsync"),
    (Part::Http, "HTTP (hyper, router, edge)"),
    (Part::Parse, "parse (form, JSON, JWS)"),
    (Part::Facts, "facts (readers, what they remember)"),
    (Part::Rule, "rule (engine, decide, live)"),
    (Part::Crypto, "sign, verify, digest (ring)"),
    (Part::Store, "store (writer, diesel, SQLite, libpq)"),
    (Part::Postgres, "PostgreSQL itself"),
    (Part::Serialise, "serialise (JSON, base64)"),
    (Part::Allocator, "allocator, page faults"),
    (Part::Runtime, "runtime (tokio, futex, epoll, scheduler)"),
    (Part::Other, "other"),
];

/// In the kernel: what the name of a function begins with. For what is not here, its callers decide.
const KERNEL: &[(Part, &str)] = &[
    (
        Part::ClientNetwork,
        "tcp_ __tcp_ sock_ __sock_ inet_ inet6_ ip_ __ip_ net_rx __netif netif_ skb_ __skb loopback_ dev_ \
         __dev_ __sys_send __sys_recv ____sys_send ____sys_recv __x64_sys_send __x64_sys_recv unix_ \
         process_backlog __napi do_softirq __do_softirq nf_ lock_sock release_sock import_single_range \
         do_accept __x64_sys_accept",
    ),
    (
        Part::Disk,
        "ext4_ __ext4_ jbd2_ __jbd2 do_fsync vfs_fsync __x64_sys_fsync __x64_sys_fdatasync \
         file_write_and_wait file_fdatawait __filemap filemap_ generic_perform_write generic_file blk_ \
         __blk submit_bio __submit_bio virtblk virtio_queue_rq nvme_ iomap_ __x64_sys_pwrite \
         __x64_sys_pread ksys_pwrite ksys_pread xfs_ btrfs_ overlay ovl_ __x64_sys_fcntl fcntl_ \
         posix_lock locks_ io_schedule do_writepages shmem_ scsi_ __x64_sys_newfstat vfs_fstat vfs_stat \
         do_sys_openat __x64_sys_openat __x64_sys_close __x64_sys_unlink",
    ),
    (
        Part::Runtime,
        "futex_ do_futex __futex __x64_sys_futex ep_ do_epoll __x64_sys_epoll eventfd_ \
         __x64_sys_sched_yield do_sched_yield __x64_sys_nanosleep __x64_sys_clock_nanosleep \
         hrtimer_nanosleep do_poll do_sys_poll __x64_sys_poll __x64_sys_select smpboot_ worker_thread \
         irqentry_ asm_sysvec_ sysvec_ asm_common_interrupt",
    ),
    (
        Part::Allocator,
        "asm_exc_page_fault exc_page_fault handle_mm_fault do_user_addr_fault __x64_sys_madvise \
         __x64_sys_munmap __x64_sys_mmap __x64_sys_brk __x64_sys_mprotect do_madvise clear_page",
    ),
    (Part::Crypto, "__x64_sys_getrandom get_random crng_ chacha_"),
];

/// In our process: the path of a crate or a module, or what a C function begins with. The first that fits decides; for
/// what is not here (the standard library, memcpy), its callers do. Names are separated by spaces.
const USER: &[(Part, &str)] = &[
    (
        Part::Allocator,
        "mi_ _mi_ mimalloc libmimalloc_sys __rust_alloc __rust_dealloc malloc free cfree realloc \
         __libc_malloc _int_malloc _int_free alloc::alloc",
    ),
    (
        Part::Parse,
        "zeroid_wire::params zeroid_wire::body zeroid_wire::token::read* zeroid_wire::admin zeroid_wire::identities \
         serde_json::de serde_json::read zeroid_token_core::strict_json base64::engine::Engine::decode \
         zeroid_jose::jws",
    ),
    (Part::Crypto, "ring zeroid_jose p256_ ecp_ sha256_ ring_core_ __ecp_ GFp_ LIMBS_ bn_"),
    (
        Part::Serialise,
        "serde_json::ser serde_json::value serde_json::map serde_json zeroid_wire base64 itoa ryu zmij \
         indexmap",
    ),
    (
        Part::Facts,
        "zeroid_storage_diesel::sqlite::reader zeroid_storage_diesel::sqlite::memo \
         zeroid_storage_diesel::sqlite::cache zeroid_storage_diesel::sqlite::single \
         zeroid_storage_diesel::postgres::reader zeroid_storage_diesel::postgres::memo \
         zeroid_storage_diesel::cut_key",
    ),
    (Part::Store, "zeroid_storage_diesel zeroid_storage diesel r2d2 sqlite3* PQ* pq* libsqlite3_sys"),
    (Part::Rule, "zeroid_core zeroid_token_core zeroid_identity_model uuid"),
    (
        Part::Http,
        "zeroid_server hyper hyper_util http httparse h2 http_body http_body_util matchit httpdate bytes \
         tracing tracing_core tracing_subscriber",
    ),
    (Part::ClientNetwork, "__send __recv __libc_send __libc_recv writev __writev __libc_writev"),
    (Part::Disk, "fsync fdatasync pwrite pread __libc_pwrite __libc_pread"),
    (
        Part::Runtime,
        "tokio mio parking_lot std::sys::sync std::sync std::thread epoll_wait syscall futures \
         start_thread crossbeam",
    ),
];

/// The part a sample belongs to: the innermost function that a rule knows decides. What a reader or the writer does to
/// rows is theirs, whatever it calls for it.
pub(super) fn part_of(sample: &Sample<'_>) -> Part {
    let found = sample.frames.iter().find_map(|frame| part_of_frame(frame, sample.program));
    let (reads, writes) =
        (sample.program.starts_with("zeroid-reader"), sample.program.starts_with("zeroid-writer"));
    match found {
        Some(Part::ClientNetwork) if reads || writes || is_postgres(sample) => Part::DatabaseNetwork,
        Some(kernel @ (Part::Disk | Part::Runtime | Part::Allocator)) => kernel,
        _ if is_postgres(sample) => found.unwrap_or(Part::Postgres),
        Some(Part::Parse | Part::Serialise | Part::Rule | Part::Store) | None if reads => Part::Facts,
        Some(Part::Parse | Part::Serialise | Part::Rule) | None if writes => Part::Store,
        Some(part) => part,
        None => Part::Other,
    }
}

fn is_postgres(sample: &Sample<'_>) -> bool {
    sample.program.starts_with("postgres")
}

fn part_of_frame(frame: &Frame<'_>, program: &str) -> Option<Part> {
    if frame.object.starts_with("[kernel") || frame.object.starts_with("[guest.kernel") {
        return first(KERNEL, |name| frame.symbol.starts_with(name));
    }
    if program.starts_with("postgres") {
        return None;
    }
    let path = path_of(frame.symbol);
    first(USER, |name| begins(path, name))
}

fn first(rules: &[(Part, &str)], fits: impl Fn(&str) -> bool) -> Option<Part> {
    rules.iter().find(|(_, names)| names.split_whitespace().any(&fits)).map(|(part, _)| *part)
}

/// Whether a path begins with this one, or a name with this beginning that ends in `_` or `*`.
fn begins(path: &str, with: &str) -> bool {
    if let Some(start) = with.strip_suffix('*') {
        return path.starts_with(start);
    }
    let Some(rest) = path.strip_prefix(with) else { return false };
    with.ends_with('_') || !rest.starts_with(|char: char| char == '_' || char.is_alphanumeric())
}

/// The path a name is about: that of the type a method belongs to.
fn path_of(symbol: &str) -> &str {
    symbol.trim_start_matches(['<', '&', '*', '(', '[']).trim_start_matches("mut ").trim_start_matches("dyn ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(program: &str, frames: &[(&str, &str)]) -> Part {
        let frames = frames.iter().map(|(symbol, object)| Frame { symbol, object }).collect();
        part_of(&Sample { program, frames })
    }

    const KERNEL: &str = "[kernel.kallsyms]";

    #[test]
    fn the_innermost_known_function_decides() {
        let worker = "tokio-rt-worker";
        let chain = [
            ("memcpy", "libc"),
            ("<T as core::fmt::Write>::x", "z"),
            ("serde_json::ser::to", "z"),
            ("hyper::a", "z"),
        ];
        assert_eq!(part(worker, &chain), Part::Serialise);
        assert_eq!(
            part(worker, &[("_raw_spin_lock", KERNEL), ("tcp_sendmsg", KERNEL), ("hyper::a", "z")]),
            Part::ClientNetwork
        );
        assert_eq!(part(worker, &[("<&mut hyper_util::a as b>::c", "z")]), Part::Http);
        assert_eq!(part(worker, &[("ringing::a", "z")]), Part::Other);
    }

    #[test]
    fn rows_belong_to_who_handles_them() {
        assert_eq!(part("zeroid-reader-0", &[("serde_json::de::x", "z")]), Part::Facts);
        assert_eq!(part("zeroid-writer", &[("sqlite3VdbeExec", "z")]), Part::Store);
        assert_eq!(part("zeroid-writer", &[("tcp_sendmsg", KERNEL)]), Part::DatabaseNetwork);
        assert_eq!(part("zeroid-writer", &[("ext4_sync_file", KERNEL)]), Part::Disk);
        assert_eq!(part("postgres", &[("ExecInsert", "postgres")]), Part::Postgres);
        assert_eq!(part("postgres", &[("do_epoll_wait", KERNEL)]), Part::Runtime);
    }
}
