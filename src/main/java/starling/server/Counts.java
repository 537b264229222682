package starling.server;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;
import starling.Answer;

/**
 * What a question took, as {@code usage} and the log say it.
 *
 * @param prompt tokens of the prompt, visual ones included, before any are dropped
 * @param completion tokens of all its answers
 * @param visual visual tokens at the start and behind the cuts
 */
record Counts(int prompt, int completion, Answer.VisualTokens visual) {
  static Counts of(List<Answer> answers) {
    Answer first = answers.getFirst();
    int images = first.images().size(); // each is one token of the prompt as written
    int prompt = first.promptTokens().size() - images + first.visualTokens().input();
    int completion = answers.stream().mapToInt(answer -> answer.outputTokens().size()).sum();
    return new Counts(prompt, completion, first.visualTokens());
  }

  /** Writes the fields of OpenAI's, and one of ours. */
  void write(ObjectNode to) {
    to.put("prompt_tokens", prompt)
        .put("completion_tokens", completion)
        .put("total_tokens", prompt + completion);
    to.putObject("visual_tokens")
        .put("input", visual.input())
        .put("after_stage1", visual.afterStage1())
        .put("after_stage2", visual.afterStage2());
  }
}
