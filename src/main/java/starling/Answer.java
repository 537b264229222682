package starling;

import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.annotation.JsonPropertyOrder;
import com.fasterxml.jackson.databind.PropertyNamingStrategies;
import com.fasterxml.jackson.databind.annotation.JsonNaming;
import java.util.List;
import starling.device.DType;
import starling.device.DeviceType;

/**
 * An answer and everything that was measured on the way to it. Written as JSON it is the object of
 * {@code run --json} and of a trace, with these names in snake case.
 *
 * @param model folder of the checkpoint
 * @param device what ran it
 * @param deviceDescription the processor or the GPU in words
 * @param dtype type of the activations
 * @param prune the spec as given
 * @param pruneOptions the method with every option written out, defaults included
 * @param mode {@code compact} or {@code mask}
 * @param repetitionPenalty what made tokens less likely that were there before; null if nothing did
 * @param promptTokens ids as fed; every image once, as the model's image token
 * @param imageOptions what the question said of how images become visual tokens, as {@code
 *     anyres=672,newline=drop}; null if nothing
 * @param visualTokens visual tokens of all images at the start and behind the cuts
 * @param images the visual tokens of each image, before any are dropped
 * @param tokensPerLayer rows entering each decoder layer at prefill
 * @param visualTokensPerLayer mean number of visual tokens entering a decoder layer
 * @param stages one entry per cut and image, in order of flow
 * @param firstLogits logits of the first token before temperature, one per row of the output head;
 *     null unless asked for
 * @param logprobs the tokens with their log-probabilities; null unless asked for
 * @param outputTokens ids drawn, the end token included if one ended the answer
 * @param text the answer without special tokens, stripped
 * @param finishReason {@code stop} or {@code length}
 * @param flops operations of reading the prompt, with and without pruning
 * @param kvBytes bytes of keys and values, with and without pruning
 * @param kvReservedBytes bytes allocated for keys and values
 * @param decodeBytesPerToken bytes that drawing one token reads: the decoder's matrices as stored,
 *     output head included, and the cache
 * @param timingsMs where the time went
 * @param warnings sentences about what looks wrong, for example flat scores
 */
@JsonNaming(PropertyNamingStrategies.SnakeCaseStrategy.class)
@JsonInclude(JsonInclude.Include.NON_NULL)
public record Answer(
    String model,
    DeviceType device,
    String deviceDescription,
    DType dtype,
    String prune,
    String pruneOptions,
    String mode,
    Float repetitionPenalty,
    List<Integer> promptTokens,
    String imageOptions,
    VisualTokens visualTokens,
    List<Image> images,
    List<Integer> tokensPerLayer,
    double visualTokensPerLayer,
    List<Stage> stages,
    List<Float> firstLogits,
    List<Token> logprobs,
    List<Integer> outputTokens,
    String text,
    String finishReason,
    FlopCount flops,
    KvBytes kvBytes,
    long kvReservedBytes,
    long decodeBytesPerToken,
    Timings timingsMs,
    List<String> warnings) {

  /**
   * Visual tokens of all images; a missing stage repeats the number before it. CLS rows count where
   * they are fed.
   *
   * @param input what tower and projector made
   * @param afterStage1 those that entered the decoder
   * @param afterStage2 those left behind the first cut inside it
   */
  @JsonNaming(PropertyNamingStrategies.SnakeCaseStrategy.class)
  @JsonPropertyOrder({"input", "after_stage1", "after_stage2"})
  public record VisualTokens(int input, int afterStage1, int afterStage2) {}

  /**
   * The visual tokens of an image.
   *
   * @param rows rows in the decoder
   * @param candidates those of them that a method may drop
   * @param crops what the tower sees of it
   */
  public record Image(int rows, int candidates, List<Crop> crops) {}

  /**
   * A crop, and its grid of candidates.
   *
   * @param rows rows of its grid
   * @param columns columns of its grid
   */
  public record Crop(int rows, int columns) {}

  /**
   * One cut of one image, or of one of its crops where the method counts over these.
   *
   * @param stage 1 before the decoder, 2 for the first cut inside it, 3, 4 … for later ones
   * @param image number of the image, from 0
   * @param crop number of the crop; null if the cut is the whole image's
   * @param where {@code vision}, {@code projector} or {@code decoder}
   * @param layer blocks that ran in full before the cut
   * @param kept the image's candidates that stay, ascending: of one grid, raster indices
   * @param scores one per candidate in candidate order: the number that was ranked; empty if the
   *     method has none
   * @param counted true if the device decided how many stay, which was waited for; else null
   */
  @JsonInclude(JsonInclude.Include.NON_NULL)
  public record Stage(
      int stage,
      int image,
      Integer crop,
      String where,
      int layer,
      List<Integer> kept,
      List<Float> scores,
      Boolean counted) {}

  /**
   * A token of an answer, and how likely it was.
   *
   * @param id its id
   * @param text as it stands behind another token, its space included
   * @param logprob the natural logarithm of its probability by the model's logits, before penalty,
   *     temperature and what else sampling does
   * @param top the likeliest tokens in its place, the likeliest first
   */
  public record Token(int id, String text, double logprob, List<Candidate> top) {}

  /**
   * A token that might have been drawn; its fields are those of {@link Token}.
   *
   * @param id its id
   * @param text as it stands behind another token
   * @param logprob the natural logarithm of its probability
   */
  public record Candidate(int id, String text, double logprob) {}

  /**
   * Operations of reading the prompt, see {@link starling.model.Flops}.
   *
   * @param formula how they are counted: {@link starling.model.Flops#FORMULA}
   * @param dense with nothing dropped
   * @param pruned with the rows that entered each layer
   * @param reduction {@code 1 − pruned/dense}
   * @param countsText whether the prompt's text is in it: always true
   * @param countsVision whether the tower is in it: always true
   * @param visionBlocks blocks of the tower that ran
   * @param vision those of the tower without the projector, which is a part of both
   */
  @JsonNaming(PropertyNamingStrategies.SnakeCaseStrategy.class)
  public record FlopCount(
      String formula,
      double dense,
      double pruned,
      double reduction,
      boolean countsText,
      boolean countsVision,
      int visionBlocks,
      double vision) {}

  /**
   * Bytes of the keys and values of the prompt.
   *
   * @param dense of the prompt unpruned
   * @param pruned held when prefill ends
   */
  public record KvBytes(long dense, long pruned) {}

  /**
   * Milliseconds.
   *
   * @param load opening the model, once per model
   * @param waiting for the turn of the question, after preprocessing
   * @param preprocess images to pixels
   * @param vision tower and projector, stage 1 included
   * @param prune scores, selection and compaction of all stages, part of vision and prefill
   * @param prefill first decoder row to first token
   * @param decodePerToken mean of the tokens after the first; 0 if there are none
   * @param total the whole question
   */
  @JsonNaming(PropertyNamingStrategies.SnakeCaseStrategy.class)
  public record Timings(
      double load,
      double waiting,
      double preprocess,
      double vision,
      double prune,
      double prefill,
      double decodePerToken,
      double total) {}
}
