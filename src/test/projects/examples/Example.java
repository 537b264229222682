import starling.*;

public class Example {
  public static void main(String[] args) {
    try (DemoData demo = DemoData.unpack();
        Model model = Model.open(demo.model())) {
      Question question = Question.of("What color is the heart?").image(demo.image("scene-00.png"));
      Answer answer = model.ask(question.prune("star:R=0.1,K=4,P=0.9"), System.out::print);
      Answer.VisualTokens tokens = answer.visualTokens();
      System.out.println("\n" + tokens.input() + " -> " + tokens.afterStage2());
      System.out.println("first kept patches " + answer.stages().get(1).kept().subList(0, 5));
    }
  }
}
