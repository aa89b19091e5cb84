{
  "targets": [
    {
      "target_name": "papo",
      "type": "none",
      "actions": [
        {
          "action_name": "build_with_cmake",
          "inputs": ["CMakeLists.txt"],
          "outputs": ["build/Release/papo.node"],
          "action": ["node", "scripts/build-native.mjs"]
        }
      ]
    }
  ]
}
