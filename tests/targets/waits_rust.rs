// Two threads that lock std mutexes in opposite order. What follows each futex looks like an owner and is not.
use std::sync::{Arc, Barrier, Mutex};
use std::thread;

extern "C" {
    fn prctl(option: i32, value: usize, ...) -> i32;
    fn gettid() -> u32;
}

static MARKER: u64 = 0x544f4853474e4148;

fn main() {
    unsafe { prctl(0x59616d61, usize::MAX) };
    let together = Arc::new(Barrier::new(3));
    let main = unsafe { gettid() };
    // As glibc's owner, users and kind would stand behind a futex of its own.
    let left = Arc::new(Mutex::new([main, main, 1, 0, 0, 0]));
    let right = Arc::new(Mutex::new([main, main, 1, 0, 0, 0]));
    let mut all = Vec::new();
    for (name, first, second) in [("a", left.clone(), right.clone()), ("b", right, left)] {
        let together = together.clone();
        let body = move || {
            let mut one = first.lock().unwrap();
            let me = unsafe { gettid() };
            *one = [me, me, 1, 0, 0, 0];
            together.wait();
            let _two = second.lock().unwrap();
        };
        all.push(thread::Builder::new().name(name.to_string()).spawn(body).unwrap());
    }
    together.wait();
    println!("ready {} {:p}", std::process::id(), &MARKER);
    for one in all {
        one.join().unwrap();
    }
}
