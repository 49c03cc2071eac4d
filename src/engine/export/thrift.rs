//! Thrift's compact protocol, the half that writes: what Parquet's headers are in.

const I32: u8 = 5;
const I64: u8 = 6;
const BINARY: u8 = 8;
const LIST: u8 = 9;
const STRUCT: u8 = 12;

/// A structure that is being written; fields in ascending order.
#[derive(Default)]
pub(super) struct Thrift {
    bytes: Vec<u8>,
    last_field: u8,
}

impl Thrift {
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    pub(super) fn byte(&mut self, byte: u8) {
        self.bytes.push(byte);
    }

    /// Seven bits a byte, the lowest first.
    pub(super) fn unsigned(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.byte(value as u8 | 0x80);
            value >>= 7;
        }
        self.byte(value as u8);
    }

    fn signed(&mut self, value: i64) {
        self.unsigned(((value << 1) ^ (value >> 63)) as u64);
    }

    fn string(&mut self, text: &str) {
        self.unsigned(text.len() as u64);
        self.bytes.extend_from_slice(text.as_bytes());
    }

    fn field(&mut self, field: u8, kind: u8) {
        self.byte((field - self.last_field) << 4 | kind);
        self.last_field = field;
    }

    fn list(&mut self, field: u8, len: usize, kind: u8) {
        self.field(field, LIST);
        if len < 15 {
            self.byte((len as u8) << 4 | kind);
        } else {
            self.byte(0xF0 | kind);
            self.unsigned(len as u64);
        }
    }

    pub(super) fn i32(&mut self, field: u8, value: i32) {
        self.field(field, I32);
        self.signed(i64::from(value));
    }

    pub(super) fn i64(&mut self, field: u8, value: i64) {
        self.field(field, I64);
        self.signed(value);
    }

    pub(super) fn text(&mut self, field: u8, text: &str) {
        self.field(field, BINARY);
        self.string(text);
    }

    pub(super) fn i32s(&mut self, field: u8, values: &[i32]) {
        self.list(field, values.len(), I32);
        for value in values {
            self.signed(i64::from(*value));
        }
    }

    pub(super) fn texts(&mut self, field: u8, texts: &[&str]) {
        self.list(field, texts.len(), BINARY);
        for text in texts {
            self.string(text);
        }
    }

    pub(super) fn structure(&mut self, field: u8, fill: impl FnOnce(&mut Self)) {
        self.field(field, STRUCT);
        self.nested(fill);
    }

    pub(super) fn structures<T>(&mut self, field: u8, items: &[T], fill: impl Fn(&mut Self, &T)) {
        self.list(field, items.len(), STRUCT);
        for item in items {
            self.nested(|out| fill(out, item));
        }
    }

    fn nested(&mut self, fill: impl FnOnce(&mut Self)) {
        let outer = std::mem::take(&mut self.last_field);
        fill(self);
        self.end();
        self.last_field = outer;
    }

    /// Ends the structure.
    pub(super) fn end(&mut self) {
        self.byte(0);
    }
}
