package starling.input;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What is told of a file by its first bytes, and what the refusal advises. */
class FileKindTest {
  private static FileKind of(String start) {
    return FileKind.of(start.getBytes(StandardCharsets.ISO_8859_1));
  }

  @ParameterizedTest
  @CsvSource({
    "GGUF, GGUF",
    "ggjt, GGUF",
    "lmgg, GGUF",
    "'version https://git-lfs.github.com/spec/v1', LFS",
    "'<!DOCTYPE html>', WEB_PAGE",
    "'  <html lang=en>', WEB_PAGE",
    "<HEAD>, WEB_PAGE",
    "Entry not found, HUB_ERROR",
    "Repository not found, HUB_ERROR",
    "Access to model x is restricted, HUB_ERROR",
    "Invalid username or password., HUB_ERROR",
    "Invalid credentials in header, HUB_ERROR",
    "{}, UNKNOWN",
    "GGU, UNKNOWN",
    "'a <html>', UNKNOWN",
    "'', UNKNOWN"
  })
  void aTextIsKnownByItsBeginning(String start, FileKind kind) {
    assertEquals(kind, of(start));
  }

  @Test
  void aBinaryFileIsKnownByItsMagicNumber() {
    assertEquals(FileKind.ZIP, of("PK\3\4"));
    assertEquals(FileKind.ARCHIVE, of("\u001f\u008b"));
    assertEquals(FileKind.ARCHIVE, of("BZh9"));
    assertEquals(FileKind.ARCHIVE, of("\u00fd7zXZ"));
    assertEquals(FileKind.ARCHIVE, of("(\u00b5/\u00fd"));
    assertEquals(FileKind.ARCHIVE, of("7z\u00bc\u00af"));
    assertEquals(FileKind.ARCHIVE, of("\0".repeat(257) + "ustar"));
    assertEquals(FileKind.PICKLE, of("\u0080\2"));
    assertEquals(FileKind.PICKLE, of("\u0080\5"));
    assertEquals(FileKind.HDF5, of("\u0089HDF\r\n"));
    assertEquals(FileKind.IMAGE, of("\u0089PNG\r\n"));
    assertEquals(FileKind.IMAGE, of("\u00ff\u00d8\u00ff\u00e0"));
    assertEquals(FileKind.SAFETENSORS, of("\u0010\1\0\0\0\0\0\0{\"a\":"));
  }

  @Test
  void almostAMagicNumberIsNone() {
    assertEquals(FileKind.UNKNOWN, of("PK\5\6"));
    assertEquals(FileKind.UNKNOWN, of("\u0080"));
    assertEquals(FileKind.UNKNOWN, of("\u0080\6"));
    assertEquals(FileKind.UNKNOWN, of("\0".repeat(256) + "ustar"));
    // A header of 2^40 bytes and more is none.
    assertEquals(FileKind.UNKNOWN, of("\u0010\1\0\0\0\1\0\0{"));
  }

  @Test
  void onlyTheFirstBytesCount() {
    byte[] bytes = new byte[FileKind.BYTES + 20];
    Arrays.fill(bytes, (byte) ' ');
    byte[] page = "<html>".getBytes(StandardCharsets.ISO_8859_1);
    System.arraycopy(page, 0, bytes, FileKind.BYTES - page.length, page.length);
    assertEquals(FileKind.WEB_PAGE, FileKind.of(bytes));
    Arrays.fill(bytes, (byte) ' ');
    System.arraycopy(page, 0, bytes, FileKind.BYTES, page.length);
    assertEquals(FileKind.UNKNOWN, FileKind.of(bytes));
  }

  @Test
  void aRefusalSaysWhatItIsAndWhatToDo() {
    assertEquals(
        "a.json: is a Git LFS pointer, not JSON; the file that it stands for was not downloaded"
            + " (git lfs pull)",
        FileKind.LFS.instead("a.json", "JSON").getMessage());
    assertEquals(
        "a.json: is an image, not JSON", FileKind.IMAGE.instead("a.json", "JSON").getMessage());
  }
}
