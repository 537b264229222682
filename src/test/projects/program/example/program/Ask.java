package example.program;

import java.nio.file.Path;
import starling.Answer;
import starling.Model;
import starling.Question;
import starling.device.DType;
import starling.device.DeviceType;

/** {@code Ask MODEL PICTURE QUESTION SPEC …}: an answer by each spec. */
public final class Ask {
  private Ask() {}

  public static void main(String[] args) {
    try (Model model = Model.open(Path.of(args[0]), DeviceType.CPU, DType.F32)) {
      for (int i = 3; i < args.length; i++) {
        Question question = Question.of(args[2]).image(Path.of(args[1])).prune(args[i]);
        Answer answer = model.ask(question);
        System.out.println(
            answer.pruneOptions() + " keeps " + answer.visualTokens() + ": " + answer.text());
      }
    }
  }
}
