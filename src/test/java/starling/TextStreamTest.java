package starling;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import starling.text.Tokenizer;

/** What is handed over while an answer grows, around its stop texts. */
class TextStreamTest {
  @TempDir Path dir;

  /** A tokenizer whose tokens are the given texts, with the given decoder. */
  private Tokenizer tokenizer(String decoder, String... tokens) throws IOException {
    var json = new ObjectMapper();
    ObjectNode root =
        (ObjectNode) json.readTree(Files.readAllBytes(Demo.MODEL.resolve("tokenizer.json")));
    root.set("decoder", json.readTree(decoder));
    root.putArray("added_tokens");
    root.putNull("post_processor");
    ObjectNode model = (ObjectNode) root.get("model");
    ObjectNode vocab = json.createObjectNode();
    for (int i = 0; i < tokens.length; i++) {
      vocab.put(tokens[i], i);
    }
    model.set("vocab", vocab);
    model.putArray("merges");
    model.putNull("unk_token");
    model.put("byte_fallback", false);
    Files.write(dir.resolve("tokenizer.json"), json.writeValueAsBytes(root));
    return Tokenizer.read(dir);
  }

  private static final String FUSE = "{\"type\":\"Fuse\"}";

  /** Holds an "a" back until it knows that no "b" follows. */
  private static final String REPLACE =
      "{\"type\":\"Sequence\",\"decoders\":[{\"type\":\"Fuse\"},"
          + "{\"type\":\"Replace\",\"pattern\":{\"String\":\"ab\"},\"content\":\"c\"}]}";

  private final List<String> handed = new ArrayList<>();

  /** Feeds all tokens until one stops; returns whether one did. */
  private boolean feed(TextStream stream, int... ids) {
    for (int id : ids) {
      if (stream.accept(id)) {
        return true;
      }
    }
    return false;
  }

  @Test
  void whatTheDecoderStillHoldsIsNotFlushedBehindAStop() throws IOException {
    Tokenizer tokenizer = tokenizer(REPLACE, "x", "stop", "stopa", "a");
    var stream = new TextStream(tokenizer.decoding(), List.of("stop"), handed::add);
    assertTrue(feed(stream, 0, 2));
    assertEquals("x", stream.finish());
    assertEquals("x", String.join("", handed));
    // Without a stop it is handed over when the answer ends.
    handed.clear();
    stream = new TextStream(tokenizer.decoding(), List.of("never"), handed::add);
    assertFalse(feed(stream, 0, 2));
    assertEquals("xstopa", stream.finish());
    assertEquals("xstopa", String.join("", handed));
  }

  @Test
  void whatFollowsTheStopInTheSamePieceIsDropped() throws IOException {
    Tokenizer tokenizer = tokenizer(FUSE, "one", " two STOP three", "four");
    var stream = new TextStream(tokenizer.decoding(), List.of("STOP"), handed::add);
    assertTrue(feed(stream, 0, 1, 2));
    assertEquals("one two ", stream.finish());
    assertEquals(List.of("one", " two "), handed);
  }

  @Test
  void theEarliestStopCountsWhateverTheirOrder() throws IOException {
    Tokenizer tokenizer = tokenizer(FUSE, "a, b; c");
    for (List<String> stops : List.of(List.of(";", ","), List.of(",", ";"))) {
      var stream = new TextStream(tokenizer.decoding(), stops, piece -> {});
      assertTrue(feed(stream, 0));
      assertEquals("a", stream.finish());
    }
  }

  @Test
  void aBeginningOfAStopIsHandedOverOnlyWhenItCannotBecomeOne() throws IOException {
    Tokenizer tokenizer = tokenizer(FUSE, "go", " EN", "D", "TER", "e");
    var stream = new TextStream(tokenizer.decoding(), List.of(" END"), handed::add);
    assertFalse(feed(stream, 0, 1));
    assertEquals(List.of("go"), handed);
    assertFalse(feed(stream, 3));
    assertEquals(List.of("go", " ENTER"), handed);
    assertTrue(feed(stream, 1, 2));
    assertEquals("go ENTER", stream.finish());
    assertEquals("go ENTER", String.join("", handed));
    // An answer that ends inside the beginning of a stop is handed over whole.
    handed.clear();
    stream = new TextStream(tokenizer.decoding(), List.of(" END"), handed::add);
    assertFalse(feed(stream, 0, 1));
    assertEquals("go EN", stream.finish());
    assertEquals(List.of("go", " EN"), handed);
    // An empty stop text never stops.
    stream = new TextStream(tokenizer.decoding(), List.of(""), piece -> {});
    assertFalse(feed(stream, 0, 1, 2));
  }
}
