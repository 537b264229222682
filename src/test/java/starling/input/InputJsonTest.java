package starling.input;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** JSON from outside: what is read of it, and what each refusal says. */
class InputJsonTest {
  @TempDir Path folder;

  private JsonNode read(String text) throws IOException {
    return InputJson.read(Files.writeString(folder.resolve("a.json"), text));
  }

  /** What follows the file in the sentence. */
  private String refusal(String text) {
    String message = assertThrows(InputException.class, () -> read(text)).getMessage();
    String file = folder.resolve("a.json") + ": ";
    assertTrue(message.startsWith(file), message);
    return message.substring(file.length());
  }

  @Test
  void anObjectIsRead() throws IOException {
    JsonNode node = read("{\"a\": [1, 2.5], \"b\": {\"c\": null}}");
    assertEquals(2.5, node.at("/a/1").doubleValue());
    assertTrue(node.at("/b/c").isNull());
  }

  @ParameterizedTest
  @ValueSource(strings = {"[]", "1", "\"text\"", "null", ""})
  void whatIsNoObjectIsRefused(String text) {
    assertEquals("is not a JSON object", refusal(text));
  }

  @Test
  void whatPythonWritesForNumbersIsReadAsNumbers() throws IOException {
    JsonNode node = read("{\"a\": NaN, \"b\": -Infinity}");
    assertTrue(Double.isNaN(node.get("a").doubleValue()));
    assertEquals(Double.NEGATIVE_INFINITY, node.get("b").doubleValue());
  }

  @Test
  void aNameThatStandsTwiceIsRefused() {
    String why = refusal("{\"a\": 1, \"b\": 2, \"a\": 3}");
    assertTrue(why.startsWith("is not JSON: Duplicate field 'a'"), why);
  }

  @Test
  void whatFollowsTheObjectIsRefused() {
    String why = refusal("{\"a\": 1} {}");
    assertTrue(why.startsWith("is not JSON: Trailing token"), why);
  }

  @Test
  void aMistakeIsFoundByLineAndColumn() {
    String why = refusal("{\n  \"a\": ?\n}");
    assertTrue(why.startsWith("is not JSON: "), why);
    assertTrue(why.endsWith(" (line 2, column 8)"), why);
  }

  @Test
  void aFileOfAnotherKindIsNamed() {
    assertEquals(
        "is a web page, not JSON; the file itself was not downloaded", refusal("<html></html>"));
  }

  @Test
  void whatIsBeyondALimitIsRefusedWithTheLimit() throws IOException {
    int depth = Limits.JSON_DEPTH;
    read("{\"a\": " + "[".repeat(depth - 1) + "]".repeat(depth - 1) + "}");
    assertEquals(
        "is not read, because it holds lists or objects in each other deeper than 100",
        refusal("{\"a\": " + "[".repeat(depth) + "]".repeat(depth) + "}"));
    assertEquals(
        "is not read, because it holds a number of more than 1000 characters",
        refusal("{\"a\": " + "1".repeat(Limits.JSON_NUMBER + 1) + "}"));
    assertEquals(
        "is not read, because it holds a name of more than 32768 characters",
        refusal("{\"" + "n".repeat(Limits.JSON_NAME + 1) + "\": 1}"));
    assertEquals(
        "is not read, because it holds a text of more than 1048576 characters",
        refusal("{\"a\": \"" + "t".repeat(Limits.JSON_TEXT + 1) + "\"}"));
    assertEquals(
        "is not read, because it holds more than 4000000 names and values",
        refusal("{\"a\": [" + "0,".repeat((int) Limits.JSON_TOKENS) + "0]}"));
  }

  @Test
  void aValueIsShownShort() throws IOException {
    var mapper = new ObjectMapper();
    assertEquals("1e400", InputJson.shown(mapper.readTree("\"1e400\"")).replace("\"", ""));
    assertEquals("[1,2]", InputJson.shown(mapper.readTree("[1, 2]")));
    assertEquals("0.5", InputJson.shown(mapper.readTree("0.5")));
    assertEquals("a list of 17", InputJson.shown(mapper.readTree("[" + "1,".repeat(16) + "1]")));
    String object = "\"a%d\": 1";
    var text = new StringBuilder("{" + object.formatted(0));
    for (int i = 1; i < 17; i++) {
      text.append(", ").append(object.formatted(i));
    }
    assertEquals("an object of 17", InputJson.shown(mapper.readTree(text + "}")));
    assertEquals(
        "\"" + "x".repeat(99) + "…",
        InputJson.shown(mapper.readTree("\"" + "x".repeat(200) + "\"")));
  }
}
