package starling.checkpoint;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * What the configuration of every family says in the same words.
 *
 * @param dtype the type the checkpoint calls its own
 * @param eosTokenIds ids that end an answer; empty if no file names one
 * @param tieWordEmbeddings the output head is the embedding table
 */
record CommonConfig(String dtype, List<Integer> eosTokenIds, boolean tieWordEmbeddings) {

  /**
   * Reads {@code generation_config.json} for the end tokens, and {@code config.json}.
   *
   * @param top its top level
   * @param text the decoder's part of it, or the same
   * @param otherwise the type of a checkpoint that states none
   */
  static CommonConfig read(Path dir, Fields top, Fields text, String otherwise) {
    return new CommonConfig(
        dtype(List.of(top, text), otherwise),
        endTokens(dir, top, text),
        top.flag("tie_word_embeddings", false) || text.flag("tie_word_embeddings", false));
  }

  private static String dtype(List<Fields> places, String otherwise) {
    for (Fields fields : places) {
      for (String field : List.of("dtype", "torch_dtype")) {
        if (fields.has(field)) {
          return fields.text(field, "").replace("torch.", "");
        }
      }
    }
    return otherwise;
  }

  private static List<Integer> endTokens(Path dir, Fields top, Fields text) {
    Path generation = dir.resolve("generation_config.json");
    var places = new ArrayList<>(List.of(top, text));
    if (Files.exists(generation)) {
      places.addFirst(Fields.read(generation));
    }
    return places.stream()
        .map(place -> place.integers("eos_token_id"))
        .filter(ids -> !ids.isEmpty())
        .findFirst()
        .orElse(List.of());
  }
}
