demo=src/demo/resources/starling/demo
ask() {
  tools/starling run --device cpu --model $demo/model --image $demo/pictures/scene-00.png \
    --prompt "What color is the heart?" "$@"
}
ask --prune star:R=0.1,K=4,P=0.9 --trace trace.json
ask --prune replay:trace.json
ask --prune replay:heart.json
