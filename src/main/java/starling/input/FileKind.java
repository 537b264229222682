package starling.input;

import java.nio.charset.StandardCharsets;
import java.util.Locale;

/**
 * What a file is that stands where a file of a checkpoint should be, told by its first bytes; each
 * comes with the advice that a refusal gives.
 */
public enum FileKind {
  /** Weights in the format of llama.cpp, or of its predecessors. */
  GGUF("a GGUF file", "use the checkpoint in the Hugging Face layout"),
  /** What Git keeps in place of a large file. */
  LFS("a Git LFS pointer", "the file that it stands for was not downloaded (git lfs pull)"),
  /** HTML, for example a log-in page. */
  WEB_PAGE("a web page", "the file itself was not downloaded"),
  /** What the Hugging Face Hub answers instead of a file. */
  HUB_ERROR("a message of the server", "the file itself was not downloaded"),
  /** A zip archive; {@code torch.save} writes such. */
  ZIP("a zip archive, as PyTorch's own weights are", "unpack it, or use safetensors"),
  /** gzip, bzip2, xz, zstd, 7-Zip or tar. */
  ARCHIVE("a compressed or tar archive", "unpack it"),
  /** Objects as Python saves them. */
  PICKLE("a Python pickle", "use the checkpoint in safetensors"),
  /** Weights as Keras and others save them. */
  HDF5("an HDF5 file", "use the checkpoint in safetensors"),
  /** A PNG or a JPEG. */
  IMAGE("an image", null),
  /** Weights in safetensors. */
  SAFETENSORS("a safetensors file", null),
  /** Anything else. */
  UNKNOWN(null, null);

  /** How many bytes are looked at. */
  public static final int BYTES = 512;

  private final String label;
  private final String advice;

  FileKind(String label, String advice) {
    this.label = label;
    this.advice = advice;
  }

  /**
   * The refusal of a file of this kind where another was expected.
   *
   * @param expected what it should be, such as {@code a weight file}
   */
  public InputException instead(String file, String expected) {
    return new InputException(
        file + ": is " + label + ", not " + expected + (advice == null ? "" : "; " + advice));
  }

  /** The kind of a file that begins with these bytes, of which at most {@link #BYTES} count. */
  public static FileKind of(byte[] bytes) {
    String start = new String(bytes, 0, Math.min(bytes.length, BYTES), StandardCharsets.ISO_8859_1);
    String text = start.stripLeading().toLowerCase(Locale.ROOT);
    if (start.startsWith("GGUF") || start.startsWith("ggjt") || start.startsWith("lmgg")) {
      return GGUF;
    }
    if (text.startsWith("version https://git-lfs")) {
      return LFS;
    }
    if (text.startsWith("<!") || text.startsWith("<html") || text.startsWith("<head")) {
      return WEB_PAGE;
    }
    if (text.startsWith("entry not found")
        || text.startsWith("repository not found")
        || text.startsWith("access to model")
        || text.startsWith("invalid username or password")
        || text.startsWith("invalid credentials")) {
      return HUB_ERROR;
    }
    if (start.startsWith("PK\3\4")) {
      return ZIP;
    }
    if (start.startsWith("\u001f\u008b")
        || start.startsWith("BZh")
        || start.startsWith("\u00fd7zXZ")
        || start.startsWith("(\u00b5/\u00fd")
        || start.startsWith("7z\u00bc\u00af")
        || start.startsWith("ustar", 257)) {
      return ARCHIVE;
    }
    if (start.length() > 1 && start.charAt(0) == 0x80 && start.charAt(1) <= 5) {
      return PICKLE;
    }
    if (start.startsWith("\u0089HDF")) {
      return HDF5;
    }
    if (start.startsWith("\u0089PNG") || start.startsWith("\u00ff\u00d8\u00ff")) {
      return IMAGE;
    }
    // A length below 2^40 in eight bytes, and the header's object.
    return start.startsWith("\0\0\0{", 5) ? SAFETENSORS : UNKNOWN;
  }
}
