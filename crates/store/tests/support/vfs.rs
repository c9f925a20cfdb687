//! SQLite's file layer, of which any operation can be made to fail with any code: the default VFS of this process, over the real one.

#![allow(unsafe_code, reason = "SQLite's file layer is a table of C functions")]
#![allow(dead_code)]

use std::ffi::{c_char, c_int, c_void};
use std::sync::Once;
use std::sync::atomic::{AtomicI32, AtomicI64, AtomicPtr, Ordering::SeqCst};

use libsqlite3_sys as ffi;

/// 0: nothing fails.
static CODE: AtomicI32 = AtomicI32::new(0);
static SPARED: AtomicI64 = AtomicI64::new(0);
static FAILING: AtomicI64 = AtomicI64::new(0);
static HIT: AtomicI64 = AtomicI64::new(0);
static REAL: AtomicPtr<ffi::sqlite3_vfs> = AtomicPtr::new(std::ptr::null_mut());

/// After so many operations, so many fail with this code.
pub fn arm(code: c_int, spared: i64, failing: i64) {
    heal();
    SPARED.store(spared, SeqCst);
    FAILING.store(failing, SeqCst);
    CODE.store(code, SeqCst);
}

/// All is well again; how many operations failed.
pub fn heal() -> i64 {
    CODE.store(0, SeqCst);
    HIT.swap(0, SeqCst)
}

fn fault() -> Option<c_int> {
    let code = CODE.load(SeqCst);
    if code == 0 || SPARED.fetch_sub(1, SeqCst) > 0 || FAILING.fetch_sub(1, SeqCst) <= 0 {
        return None;
    }
    HIT.fetch_add(1, SeqCst);
    Some(code)
}

/// Puts it in front of the real one.
pub fn register() {
    static DONE: Once = Once::new();
    DONE.call_once(|| {
        // SAFETY: the default VFS lives as long as the process, and so does the leaked copy.
        unsafe {
            let real = ffi::sqlite3_vfs_find(std::ptr::null());
            assert!(!real.is_null(), "there is a default VFS");
            REAL.store(real, SeqCst);
            let mut vfs = *real;
            vfs.pNext = std::ptr::null_mut();
            vfs.zName = c"faulty".as_ptr();
            vfs.szOsFile += size_of::<ffi::sqlite3_file>() as c_int;
            vfs.xOpen = Some(open);
            vfs.xDelete = Some(delete);
            vfs.xAccess = Some(access);
            vfs.xFullPathname = Some(full_pathname);
            assert_eq!(ffi::sqlite3_vfs_register(Box::leak(Box::new(vfs)), 1), ffi::SQLITE_OK);
        }
    });
}

/// The real file lies behind ours.
unsafe fn real(file: *mut ffi::sqlite3_file) -> *mut ffi::sqlite3_file {
    // SAFETY: SQLite gave `szOsFile` bytes, ours first.
    unsafe { file.add(1) }
}

unsafe extern "C" fn open(
    _: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    file: *mut ffi::sqlite3_file,
    flags: c_int,
    out: *mut c_int,
) -> c_int {
    // SAFETY: as SQLite asks of a VFS: methods are set where there is something to close.
    unsafe {
        (*file).pMethods = std::ptr::null();
        if let Some(code) = fault() {
            return code;
        }
        let vfs = REAL.load(SeqCst);
        let done = (*vfs).xOpen.expect("unix has it")(vfs, name, real(file), flags, out);
        if !(*real(file)).pMethods.is_null() {
            (*file).pMethods = &METHODS;
        }
        done
    }
}

unsafe extern "C" fn delete(_: *mut ffi::sqlite3_vfs, name: *const c_char, sync: c_int) -> c_int {
    let vfs = REAL.load(SeqCst);
    // SAFETY: passed on as they came.
    fault().unwrap_or_else(|| unsafe { (*vfs).xDelete.expect("unix has it")(vfs, name, sync) })
}

unsafe extern "C" fn access(_: *mut ffi::sqlite3_vfs, name: *const c_char, flags: c_int, out: *mut c_int) -> c_int {
    let vfs = REAL.load(SeqCst);
    // SAFETY: passed on as they came.
    fault().unwrap_or_else(|| unsafe { (*vfs).xAccess.expect("unix has it")(vfs, name, flags, out) })
}

unsafe extern "C" fn full_pathname(
    _: *mut ffi::sqlite3_vfs,
    name: *const c_char,
    size: c_int,
    out: *mut c_char,
) -> c_int {
    let vfs = REAL.load(SeqCst);
    // SAFETY: passed on as they came.
    fault().unwrap_or_else(|| unsafe { (*vfs).xFullPathname.expect("unix has it")(vfs, name, size, out) })
}

/// A method that passes on, and may fail where the expression says so.
macro_rules! method {
    ($name:ident, $method:ident, $may_fail:expr $(, $arg:ident: $type:ty)*) => {
        unsafe extern "C" fn $name(file: *mut ffi::sqlite3_file $(, $arg: $type)*) -> c_int {
            if $may_fail && let Some(code) = fault() {
                return code;
            }
            // SAFETY: passed on as they came, to the file behind ours.
            unsafe { (*(*real(file)).pMethods).$method.expect("unix has it")(real(file) $(, $arg)*) }
        }
    };
}

method!(close, xClose, false);
method!(read, xRead, true, into: *mut c_void, amount: c_int, from: ffi::sqlite3_int64);
method!(write, xWrite, true, bytes: *const c_void, amount: c_int, from: ffi::sqlite3_int64);
method!(truncate, xTruncate, true, size: ffi::sqlite3_int64);
method!(sync, xSync, true, flags: c_int);
method!(file_size, xFileSize, true, size: *mut ffi::sqlite3_int64);
method!(lock, xLock, true, level: c_int);
method!(unlock, xUnlock, false, level: c_int);
method!(check_reserved_lock, xCheckReservedLock, true, out: *mut c_int);
method!(file_control, xFileControl, false, what: c_int, with: *mut c_void);
method!(sector_size, xSectorSize, false);
method!(characteristics, xDeviceCharacteristics, false);
// "Read-only" is no failure there but an answer, which has to come with a map.
method!(shm_map, xShmMap, CODE.load(SeqCst) & 0xff != ffi::SQLITE_READONLY, page: c_int, size: c_int, extend: c_int, out: *mut *mut c_void);
// Giving a lock back never fails.
method!(shm_lock, xShmLock, flags & ffi::SQLITE_SHM_LOCK != 0, offset: c_int, count: c_int, flags: c_int);
method!(shm_unmap, xShmUnmap, false, delete: c_int);

unsafe extern "C" fn shm_barrier(file: *mut ffi::sqlite3_file) {
    // SAFETY: passed on.
    unsafe { (*(*real(file)).pMethods).xShmBarrier.expect("unix has it")(real(file)) }
}

/// Version 2: without memory-mapped reading, which the server does not use either.
static METHODS: ffi::sqlite3_io_methods = ffi::sqlite3_io_methods {
    iVersion: 2,
    xClose: Some(close),
    xRead: Some(read),
    xWrite: Some(write),
    xTruncate: Some(truncate),
    xSync: Some(sync),
    xFileSize: Some(file_size),
    xLock: Some(lock),
    xUnlock: Some(unlock),
    xCheckReservedLock: Some(check_reserved_lock),
    xFileControl: Some(file_control),
    xSectorSize: Some(sector_size),
    xDeviceCharacteristics: Some(characteristics),
    xShmMap: Some(shm_map),
    xShmLock: Some(shm_lock),
    xShmBarrier: Some(shm_barrier),
    xShmUnmap: Some(shm_unmap),
    xFetch: None,
    xUnfetch: None,
};

/// Every primary code that says "no", and the extended ones that a file layer knows. Not MISUSE, at which the driver panics.
pub const CODES: &[c_int] = &[
    ffi::SQLITE_ERROR,
    ffi::SQLITE_INTERNAL,
    ffi::SQLITE_PERM,
    ffi::SQLITE_ABORT,
    ffi::SQLITE_BUSY,
    ffi::SQLITE_LOCKED,
    ffi::SQLITE_NOMEM,
    ffi::SQLITE_READONLY,
    ffi::SQLITE_INTERRUPT,
    ffi::SQLITE_IOERR,
    ffi::SQLITE_CORRUPT,
    ffi::SQLITE_NOTFOUND,
    ffi::SQLITE_FULL,
    ffi::SQLITE_CANTOPEN,
    ffi::SQLITE_PROTOCOL,
    ffi::SQLITE_EMPTY,
    ffi::SQLITE_SCHEMA,
    ffi::SQLITE_TOOBIG,
    ffi::SQLITE_CONSTRAINT,
    ffi::SQLITE_MISMATCH,
    ffi::SQLITE_NOLFS,
    ffi::SQLITE_AUTH,
    ffi::SQLITE_FORMAT,
    ffi::SQLITE_RANGE,
    ffi::SQLITE_NOTADB,
    ffi::SQLITE_IOERR_READ,
    ffi::SQLITE_IOERR_WRITE,
    ffi::SQLITE_IOERR_FSYNC,
    ffi::SQLITE_IOERR_TRUNCATE,
    ffi::SQLITE_IOERR_FSTAT,
    ffi::SQLITE_IOERR_NOMEM,
    ffi::SQLITE_IOERR_LOCK,
    ffi::SQLITE_IOERR_SHMOPEN,
    ffi::SQLITE_IOERR_SHMSIZE,
    ffi::SQLITE_IOERR_SHMLOCK,
    ffi::SQLITE_IOERR_SHMMAP,
    ffi::SQLITE_IOERR_DATA,
    ffi::SQLITE_IOERR_CORRUPTFS,
    ffi::SQLITE_READONLY_CANTLOCK,
    ffi::SQLITE_READONLY_DBMOVED,
    ffi::SQLITE_CANTOPEN_ISDIR,
    ffi::SQLITE_CANTOPEN_DIRTYWAL,
];
