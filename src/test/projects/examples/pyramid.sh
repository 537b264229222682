tools/starling --version >/dev/null # builds target/classes
javac -cp target/classes -d mine Pyramid.java
mkdir -p mine/META-INF/services
echo 'Pyramid$Provider' >mine/META-INF/services/starling.prune.MethodProvider
jar --create --file pyramid.jar -C mine .

demo=src/demo/resources/starling/demo
tools/starling --plugins pyramid.jar inspect $demo/model --prune pyramid | grep 'per layer'
tools/starling --plugins pyramid.jar run --model $demo/model --image $demo/pictures/scene-00.png \
  --prompt "What color is the heart?" --prune pyramid:stages=2 --overlay kept.png
