import dev.langchain4j.data.message.*;
import dev.langchain4j.model.chat.response.*;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import starling.*;
import starling.langchain4j.*;

public class Chat {
  public static void main(String[] args) {
    try (DemoData demo = DemoData.unpack();
        Model model = Model.open(demo.model())) {
      StarlingChatModel chat =
          StarlingChatModel.builder(model).prune("star:R=0.1,K=4,P=0.9").build();
      var image = ImageContent.from(Path.of(args[0]), "image/png");
      var question = UserMessage.from(image, TextContent.from("What color is the heart?"));

      ChatResponse response = chat.chat(question);
      System.out.println(response.aiMessage().text() + ", " + response.tokenUsage());
      var metadata = (StarlingChatResponseMetadata) response.metadata();
      System.out.println(metadata.answer().visualTokens());

      var done = new CompletableFuture<ChatResponse>();
      chat.chat(List.of(question), new Printer(done));
      System.out.println(", " + done.join().finishReason());
    }
  }

  record Printer(CompletableFuture<ChatResponse> done) implements StreamingChatResponseHandler {
    @Override
    public void onPartialResponse(String piece) {
      System.out.print(piece);
    }

    @Override
    public void onCompleteResponse(ChatResponse response) {
      done.complete(response);
    }

    @Override
    public void onError(Throwable e) {
      done.completeExceptionally(e);
    }
  }
}
