#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| parsers::passkey_sign_ins(data));
