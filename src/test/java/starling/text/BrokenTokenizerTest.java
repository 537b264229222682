package starling.text;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import starling.Cost;
import starling.input.InputException;

/** What a broken {@code tokenizer.json}, or one that asks for more, is answered with. */
class BrokenTokenizerTest {
  @TempDir Path dir;

  private void refused(String text, String reason) {
    var e = assertThrows(InputException.class, () -> Written.read(dir, text));
    assertTrue(e.getMessage().contains("tokenizer.json: "), e.getMessage());
    assertTrue(e.getMessage().contains(reason), e.getMessage() + " should say " + reason);
    assertEquals(1, e.getMessage().lines().count(), e.getMessage());
  }

  /** Fields of the Llama-like tokenizer replaced, and what the refusal says. */
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '~',
      textBlock =
          """
          {"normalizer": {"type": "NFKC"}}                                | normalizer of type 'NFKC' is not supported
          {"normalizer": {"type": "Sequence", "normalizers": [{"type": "NFD"}]}} | normalizer.normalizers[0] of type 'NFD' is not supported
          {"normalizer": {"type": "Sequence"}}                            | normalizer.normalizers is missing
          {"normalizer": {}}                                              | normalizer.type is missing
          {"normalizer": "NFC"}                                           | normalizer.type is missing
          {"normalizer": {"type": "Prepend"}}                             | normalizer.prepend is missing
          {"normalizer": {"type": "Replace", "pattern": {"Regex": " "}, "content": ""}} | normalizer of type 'Replace' with a regular expression is not supported
          {"normalizer": {"type": "Replace", "pattern": {"String": ""}, "content": ""}} | normalizer.pattern.String is empty
          {"normalizer": {"type": "Replace", "pattern": {"String": "a"}}}  | normalizer.content is missing
          {"pre_tokenizer": {"type": "ByteLevel"}}                        | pre_tokenizer of type 'ByteLevel' is not supported
          {"pre_tokenizer": {"type": "Metaspace"}}                        | pre_tokenizer.replacement is missing
          {"pre_tokenizer": {"type": "Metaspace", "replacement": "ab"}}   | pre_tokenizer.replacement is "ab", not one character
          {"pre_tokenizer": {"type": "Metaspace", "replacement": "_", "prepend_scheme": "last"}} | pre_tokenizer.prepend_scheme is 'last', not always, never or first
          {"pre_tokenizer": {"type": "Metaspace", "replacement": "_", "split": 1}} | pre_tokenizer.split is 1, not true or false
          {"post_processor": {"type": "RobertaProcessing"}}               | post_processor of type 'RobertaProcessing' is not supported
          {"post_processor": {"type": "Sequence", "processors": []}}      | post_processor of type 'Sequence' has 0 processors
          {"post_processor": {"type": "Sequence", "processors": [{"type": "BertProcessing"}]}} | post_processor.processors[0] of type 'BertProcessing' is not supported
          {"post_processor": {"type": "TemplateProcessing"}}              | post_processor.single is missing
          {"post_processor": {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>"}}], "special_tokens": {}}} | post_processor.special_tokens.<s>.ids is missing
          {"post_processor": {"type": "TemplateProcessing", "single": [{"Sequence": {"id": "B"}}]}} | post_processor.single[0] is neither
          {"decoder": {"type": "WordPiece"}}                              | decoder of type 'WordPiece' is not supported
          {"decoder": {"type": "Sequence", "decoders": [{"type": "Fuse"}, {"type": "ByteFallback"}]}} | decoder.decoders[1] of type 'ByteFallback' behind Fuse is not supported
          {"decoder": {"type": "Strip", "content": " ", "start": -1, "stop": 0}} | decoder.start is -1, not a whole number from 0
          {"decoder": {"type": "Strip", "content": " ", "start": 1}}       | decoder.stop is missing
          {"model": {"type": "Unigram"}}                                  | model of type 'Unigram' is not supported
          {"model": {"vocab": null}}                                      | model.vocab is missing
          {"model": {"vocab": {}}}                                        | model.vocab is not an object of tokens and ids
          {"model": {"vocab": {"a": -1}}}                                 | model.vocab gives 'a' the id -1
          {"model": {"vocab": {"a": 1.5}}}                                | model.vocab gives 'a' the id 1.5
          {"model": {"vocab": {"a": 99999999999}}}                        | model.vocab gives 'a' the id 99999999999
          {"model": {"vocab": {"a": 1, "b": 1}}}                          | model.vocab gives the id 1 twice
          {"model": {"merges": null}}                                     | model.merges is missing
          {"model": {"merges": ["a zz"]}}                                 | model.vocab lacks 'zz'
          {"model": {"merges": ["a ▁"]}}                                  | model.vocab lacks 'a▁'
          {"model": {"merges": ["a b c"]}}                                | which is no pair
          {"model": {"merges": [["a"]]}}                                  | which is no pair
          {"model": {"merges": [1]}}                                      | which is no pair
          {"model": {"unk_token": "what"}}                                | model.unk_token is 'what', which model.vocab lacks
          {"model": {"byte_fallback": "yes"}}                             | model.byte_fallback is "yes", not true or false
          {"model": {"dropout": 0.1}}                                     | model.dropout is 0.1
          {"model": {"continuing_subword_prefix": "##"}}                  | model.continuing_subword_prefix is '##'
          {"model": {"end_of_word_suffix": "</w>"}}                       | model.end_of_word_suffix is '</w>'
          {"added_tokens": 3}                                             | added_tokens is not a list
          {"added_tokens": [{"content": "x"}]}                            | added_tokens[0].id is missing
          {"added_tokens": [{"id": 900}]}                                 | added_tokens[0].content is missing
          {"added_tokens": [{"id": 5, "content": "xx"}]}                  | added_tokens[0] gives 'xx' the id 5 of '<0x02>'
          {"added_tokens": [{"id": 900, "content": "<s>"}]}               | added_tokens[0] gives '<s>' the id 900, but it has 1
          {"added_tokens": [{"id": 900, "content": "xx"}, {"id": 900, "content": "yy"}]} | added_tokens[1] gives 'yy' the id 900 of
          {"added_tokens": [{"id": 900, "content": "xx"}, {"id": 900, "content": "xx"}]} | reads like another one
          {"added_tokens": [{"id": 900, "content": "xx", "lstrip": "no"}]} | added_tokens[0].lstrip is "no", not true or false
          {"version": "2.0"}                                              | version is '2.0', not '1.0'
          """)
  void isRefusedByNameAndReason(String fields, String reason) {
    refused(Written.with(fields).toString(), reason);
  }

  /** Each of 24 doubles the text: 16 million times as long. */
  @Test
  void aChainThatMakesATextLongIsRefused() {
    String twice = replace("a", "aa");
    Tokenizer normalizer =
        Written.read(dir, Written.with("{\"normalizer\":" + chain("normalizers", twice, 24) + "}"));
    Cost.ofRefusal(
        5, () -> normalizer.encode("aaaa"), "tokenizer.json: normalizer makes more than");
    assertFalse(normalizer.encode("bbbb").isEmpty());
    for (String fuse : new String[] {"", "{\"type\":\"Fuse\"},"}) {
      String steps = chain("decoders", twice, 24).replaceFirst("\\[", "[" + fuse);
      Tokenizer decoder = Written.read(dir, Written.with("{\"decoder\":" + steps + "}"));
      var ids = decoder.encodePlain("a a");
      Cost.ofRefusal(5, () -> decoder.decode(ids, true), "tokenizer.json: decoder makes more than");
    }
  }

  /** Many prepended texts, one long one, and one that grows where another was put. */
  @Test
  void whatIsPutIntoAShortTextIsBounded() {
    String prepend = "{\"type\":\"Prepend\",\"prepend\":\"" + "a".repeat(600) + "\"}";
    for (String steps :
        new String[] {
          chain("normalizers", prepend, 2),
          replace("b", "a".repeat(2000)),
          "{\"type\":\"Sequence\",\"normalizers\":["
              + prepend
              + ","
              + replace("a", "aaaaaaaaaaaa")
              + "]}"
        }) {
      Tokenizer tokenizer = Written.read(dir, Written.with("{\"normalizer\":" + steps + "}"));
      Cost.ofRefusal(5, () -> tokenizer.encode("b"), "normalizer makes more than");
    }
  }

  /** Eight times as long, and 1024 characters more, are read. */
  @Test
  void aTextMayGrowByWhatIsAllowed() {
    String steps = replace("b", "a".repeat(1032));
    Tokenizer tokenizer = Written.read(dir, Written.with("{\"normalizer\":" + steps + "}"));
    assertFalse(tokenizer.encode("b").isEmpty());
    Cost.ofRefusal(5, () -> tokenizer.encode("bb"), "normalizer makes more than 1040");
  }

  /** A long run of bytes is one text, however short the token behind it. */
  @Test
  void aLongRunOfBytesIsNoGrowth() {
    Tokenizer tokenizer = Written.read(dir, Written.base());
    String emojis = "\ud83d\ude00".repeat(2000);
    assertEquals(
        emojis, tokenizer.decode(tokenizer.encode(emojis + "a"), true).strip().replace("a", ""));
  }

  @Test
  void chainsTokensAndTemplatesAreBounded() {
    String long_ = "x".repeat(4097);
    String step = replace("a", "b");
    refused("normalizer", chain("normalizers", step, 65), "normalizer has more than 64 steps");
    refused("decoder", chain("decoders", step, 65), "decoder has more than 64 steps");
    refused("normalizer", replace("a", long_), "normalizer.content has 4097 characters");
    refused("normalizer", replace(long_, "a"), "normalizer.pattern.String has 4097 characters");
    refused("decoder", replace("a", long_), "decoder.content has 4097 characters");
    refused(
        "added_tokens",
        "[{\"id\":900,\"content\":\"" + long_ + "\"}]",
        "added_tokens[0].content has 4097 characters");
    refused(
        "model",
        "{\"vocab\":{\"" + long_ + "\":1}}",
        "model.vocab gives the id 1 to a token of 4097");
    String text = "{\"Sequence\":{\"id\":\"A\"}}";
    refused(
        "post_processor",
        template("[" + text + ("," + text).repeat(8) + "]", "1"),
        "post_processor.single puts the text more than 8 times");
    String start = "{\"SpecialToken\":{\"id\":\"s\"}}";
    refused(
        "post_processor",
        template("[" + start + "," + text + "]", "1" + ",1".repeat(256)),
        "post_processor.single puts the text more than 8 times or more than 256 tokens");
    Written.read(dir, Written.with("{\"normalizer\":" + chain("normalizers", step, 63) + "}"));
  }

  @Test
  void addedTokensAreBoundedTogether() {
    var tokens = new StringBuilder("[");
    for (int i = 0; i < 300; i++) {
      tokens
          .append(i == 0 ? "" : ",")
          .append("{\"id\":" + (900 + i) + ",\"content\":\"" + i + "x".repeat(4000) + "\"}");
    }
    String json = Written.with("{\"added_tokens\":" + tokens + "]}").toString();
    Cost.ofRefusal(500, () -> Written.read(dir, json), "added_tokens has more than 1048576");
  }

  @Test
  void aVocabularyAndMergesAreBounded() {
    String base = Written.base().toString();
    var vocab = new StringBuilder();
    for (int i = 0; i <= 1 << 20; i++) {
      vocab.append(",\"k").append(i).append("\":").append(i + 5000);
    }
    int at = base.indexOf("\"vocab\":{") + "\"vocab\":{".length();
    int end = base.indexOf("}", at);
    String json = base.substring(0, at) + vocab.substring(1) + base.substring(end);
    Cost.ofRefusal(700, () -> Written.read(dir, json), "model.vocab has 1048577 entries");
  }

  /** A run of what is stripped was copied for each character of it. */
  @Tag("slow")
  @Test
  void strippingALongTextIsLinear() {
    String decoder =
        "{\"type\":\"Sequence\",\"decoders\":[{\"type\":\"Fuse\"},"
            + "{\"type\":\"Strip\",\"content\":\"a\",\"start\":0,\"stop\":2147483647}]}";
    Tokenizer tokenizer = Written.read(dir, Written.with("{\"decoder\":" + decoder + "}"));
    var ids = java.util.Collections.nCopies(3000, tokenizer.id("a"));
    assertTimeoutPreemptively(
        java.time.Duration.ofSeconds(20), () -> assertEquals("", tokenizer.decode(ids, true)));
  }

  private static String replace(String pattern, String content) {
    return "{\"type\":\"Replace\",\"pattern\":{\"String\":\"%s\"},\"content\":\"%s\"}"
        .formatted(pattern, content);
  }

  private static String chain(String list, String step, int steps) {
    return "{\"type\":\"Sequence\",\""
        + list
        + "\":["
        + step
        + ("," + step).repeat(steps - 1)
        + "]}";
  }

  private static String template(String single, String ids) {
    return "{\"type\":\"TemplateProcessing\",\"single\":"
        + single
        + ",\"special_tokens\":{\"s\":{\"id\":\"s\",\"ids\":["
        + ids
        + "]}}}";
  }

  private void refused(String field, String value, String reason) {
    refused(Written.with("{\"" + field + "\":" + value + "}").toString(), reason);
  }

  @Test
  void halfACharacterIsRefused() {
    String base = Written.base().toString();
    refused(base.replace("\"bad\":", "\"\\ud83d\":"), "a token with half a character");
    refused(base.replace("\"<image>\"", "\"\\ude00\""), "added_tokens[3].content holds half");
  }

  @Test
  void whatIsNoJsonIsRefused() {
    refused("", "is not a JSON object");
    refused("[1]", "is not a JSON object");
    refused("{\"model\": ", "is not JSON");
    refused("<!DOCTYPE html>", "is a web page, not JSON");
    refused(Written.base() + "x", "is not JSON");
    refused("{\"a\":1,\"a\":2}", "is not JSON");
    refused("{}", "model is missing");
    refused("[".repeat(100_000), "in each other deeper than 100");
  }

  @Test
  void anAbsentFileIsNamed() throws IOException {
    var e = assertThrows(InputException.class, () -> Tokenizer.read(dir));
    assertTrue(e.getMessage().endsWith("tokenizer.json: there is no such file"), e.getMessage());
    Files.writeString(dir.resolve("tokenizer.model"), "x");
    e = assertThrows(InputException.class, () -> Tokenizer.read(dir));
    assertTrue(e.getMessage().contains("tokenizer.model beside it is not read"), e.getMessage());
  }

  @Test
  void aFileTooLargeIsNotRead() throws IOException {
    try (var file = new RandomAccessFile(dir.resolve("tokenizer.json").toFile(), "rw")) {
      file.setLength(5L << 30);
    }
    var e = assertThrows(InputException.class, () -> Tokenizer.read(dir));
    assertTrue(e.getMessage().contains("longer than the 64 MiB"), e.getMessage());
  }

  /** One byte changed or the end cut off: read or refused in one sentence, nothing else. */
  @Test
  void damageGivesNoOtherException() throws IOException {
    byte[] whole = Written.base().toString().getBytes(StandardCharsets.UTF_8);
    var random = new Random(7);
    int refusals = 0;
    for (int i = 0; i < 1_000; i++) {
      byte[] bytes = whole.clone();
      int at = random.nextInt(bytes.length);
      bytes[at] = (byte) random.nextInt(256);
      if (i % 4 == 0) {
        bytes = Arrays.copyOf(bytes, at);
      }
      Files.write(dir.resolve("tokenizer.json"), bytes);
      try {
        Tokenizer.read(dir).encode("the car<image>");
      } catch (InputException e) {
        refusals++;
        assertEquals(1, e.getMessage().lines().count(), e.getMessage());
      }
    }
    assertTrue(refusals > 300, refusals + " of 1000 refused");
  }
}
